/** Builds the console into console/dist, with each file compressed beside it, so that no request pays for that. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'vite'

await build({ configFile: 'console/vite.config.ts', logLevel: 'warn' })
for (const file of readdirSync('console/dist', { recursive: true, encoding: 'utf8' })) {
  if (!/\.(js|css|html|svg)$/.test(file)) continue
  const path = join('console/dist', file)
  const content = readFileSync(path)
  writeFileSync(`${path}.br`, brotliCompressSync(content))
  writeFileSync(`${path}.gz`, gzipSync(content))
}
