import { defineConfig } from 'vite'

// File names are fixed: the server puts the digest of the whole build into the address instead. Nothing is inlined and
// nothing is loaded ahead by script, as the content policy of the pages forbids it.
export default defineConfig({
  base: './',
  build: {
    outDir: '../src/falaj/ui',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: 'src/main.tsx',
      output: {
        entryFileNames: 'app.js',
        chunkFileNames: '[name].js',
        assetFileNames: 'app[extname]',
        codeSplitting: { groups: [{ name: 'shared', test: /node_modules|src\/(api|look|model|session)/ }] },
      },
    },
  },
})
