// The page: each part is a module of its own, and this starts them.

import { startDevices } from './devices.js'
import { startLab } from './lab.js'
import { startSession } from './session.js'
import { startSwitch } from './switch.js'
import { startTimeline } from './timeline.js'

startSession()
startTimeline()
startSwitch()
startLab()
startDevices()
