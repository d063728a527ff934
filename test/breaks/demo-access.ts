// What is broken for test/examples/demo-access.test.ts.

import type { Area } from './break.ts'

const HTML = 'examples/demo/public/index.html'
const STYLE = 'examples/demo/public/style.css'
const TIMELINE = 'examples/demo/public/timeline.js'
const AXE = 'axe-core finds nothing, and nothing is cut off: '
const KEYBOARD = 'everything works by keyboard alone, and the focus is always somewhere'
const ALOUD = 'what happens is said aloud: who is signed in, what an attack came to, each event'
const NEWEST = 'the timeline shows the newest forty events, and those of one visitor to no other'
const BACK = 'the timeline comes back after the server did, with what happened meanwhile'

export const demoAccess: Area = {
  test: 'test/examples/demo-access.test.ts',
  breaks: [
    {
      titles: [`${AXE}light`, `${AXE}dark`, `${AXE}dark on a phone`],
      what: 'a label does not belong to its field',
      file: HTML,
      find: '<label for="username">User name</label>',
      replace: '<span>User name</span>',
    },
    {
      titles: [`${AXE}light`],
      what: 'text is too pale where it is light',
      file: STYLE,
      find: '--soft: #5b5750;',
      replace: '--soft: #8b867c;',
    },
    {
      titles: [`${AXE}dark`],
      what: 'text is too dark where it is dark',
      file: STYLE,
      find: '--soft: #aca89f;',
      replace: '--soft: #6c685f;',
    },
    {
      titles: [`${AXE}dark on a phone`],
      what: 'the page is wider than a phone',
      file: 'examples/demo/public/page.css',
      find: 'minmax(min(100%, 16rem), 1fr)',
      replace: 'minmax(24rem, 1fr)',
    },
    {
      // The only one that is about the tests: what it breaks is their judge.
      titles: ['axe-core sees what is wrong, so the tests above would'],
      what: 'axe-core is not asked about anything',
      file: 'test/examples/demo-access.test.ts',
      find: 'axe.run(),',
      replace: "axe.run({ runOnly: ['best-practice'] }),",
    },
    {
      titles: [KEYBOARD],
      what: 'there is no link past the head of the page',
      file: HTML,
      find: '    <a class="skip" href="#lab">Skip to the lab</a>\n',
      replace: '',
    },
    {
      titles: [KEYBOARD],
      what: 'the focus is not to be seen',
      file: STYLE,
      find: 'outline: 3px solid var(--focus);',
      replace: 'outline: none;',
    },
    {
      titles: [KEYBOARD],
      what: 'the focus is lost with the button that signed in',
      file: HTML,
      find: '<h2 id="halves-title" tabindex="-1">',
      replace: '<h2 id="halves-title">',
    },
    {
      titles: [KEYBOARD],
      what: 'the focus is lost where an attack ends the session',
      file: 'examples/demo/public/lab.js',
      find: 'button.ariaDisabled = String(!isIn())',
      replace: 'button.disabled = !isIn()',
    },
    {
      titles: [ALOUD],
      what: 'who is signed in is not said',
      file: HTML,
      find: '<p id="who" role="status">',
      replace: '<p id="who">',
    },
    {
      titles: [ALOUD],
      what: 'what the theft came to is not said',
      file: HTML,
      find: '<p class="verdict" role="status"></p>\n          <pre id="log-line"',
      replace: '<p class="verdict"></p>\n          <pre id="log-line"',
    },
    {
      titles: [ALOUD],
      what: 'events are not said',
      file: HTML,
      find: '<div class="scroll" role="log"',
      replace: '<div class="scroll" role="group"',
    },
    {
      titles: [NEWEST],
      what: 'the timeline grows without end',
      file: TIMELINE,
      find: "  while (find('events').childElementCount > MOST) find('events').lastElementChild.remove()\n",
      replace: '',
    },
    {
      titles: [NEWEST],
      what: 'the timeline drops the newest events',
      file: TIMELINE,
      find: "find('events').lastElementChild.remove()",
      replace: "find('events').firstElementChild.remove()",
    },
    {
      titles: [NEWEST],
      what: 'every visitor hears of the events of all',
      file: 'examples/demo/event-log.ts',
      find: '        if (of === sub) listener(entry)\n',
      replace: '        listener(entry)\n',
    },
    {
      titles: [BACK],
      what: 'a connection that broke is not opened again',
      file: TIMELINE,
      find: "    opened.addEventListener('error', () => source === opened && retry())\n",
      replace: '',
    },
    {
      titles: [BACK],
      what: 'what happened meanwhile is not asked for',
      file: TIMELINE,
      find: "const after = lastId === undefined ? '' : `&after=${lastId}`",
      replace: "const after = ''",
    },
    {
      titles: [BACK],
      what: 'a tab that comes back does not connect again',
      file: TIMELINE,
      find: '    else void connect()\n',
      replace: '',
    },
  ],
}
