// Bundles a front end in memory, as a build would into files.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { build, type Plugin } from 'esbuild'
import { compileScript, parse } from 'vue/compiler-sfc'

/** What Vite's plugin does, for files with `<script setup>` and no styles. */
const vueFiles: Plugin = {
  name: 'vue-files',
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { descriptor } = parse(await readFile(path, 'utf8'), { filename: path })
      const { content } = compileScript(descriptor, { id: path, isProd: true, inlineTemplate: true })
      return { contents: content, loader: 'ts' }
    })
  },
}

/** @param file - relative to this one */
export async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    format: 'esm',
    minify: true,
    write: false,
    jsx: 'automatic',
    target: 'es2022',
    plugins: [vueFiles],
    define: {
      'process.env.NODE_ENV': '"production"',
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
  })
  return outputFiles[0]?.text ?? ''
}
