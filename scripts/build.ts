/** Makes what is published: JavaScript and type declarations in dist/, with the SQL beside them. */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('npx', ['tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
cpSync('src/journal/sql', 'dist/journal/sql', { recursive: true })
const { status: consoleStatus } = spawnSync('node', ['scripts/build-console.ts'], { stdio: 'inherit' })
if (consoleStatus !== 0) process.exit(consoleStatus ?? 1)
cpSync('console/dist', 'dist/console/files', { recursive: true })
const main = 'dist/cli/main.js'
if (existsSync(main)) {
  const text = readFileSync(main, 'utf8')
  if (!text.startsWith('#!')) writeFileSync(main, `#!/usr/bin/env node\n${text}`)
  chmodSync(main, 0o755)
}
