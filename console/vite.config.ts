import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** `npm run console:dev` serves the pages with hot reload and asks a busbar at BUSBAR_URL for data. */
const busbar = process.env['BUSBAR_URL'] ?? 'http://127.0.0.1:7070'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or styles
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: { proxy: { '/api': busbar } },
})
