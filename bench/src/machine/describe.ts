import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** The machine in words. */
export function machine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, ${gigabytes} GB, Linux ${release()}`
}

const packages = ['pg-boss', 'graphile-worker', 'bullmq', 'rabbitmq-client', 'fastify', 'undici', 'pg']

/** Versions of what was measured, by name; of packages as they are installed. */
export function versions(servers: Readonly<Record<string, string>>): Record<string, string> {
  const found: Record<string, string> = { node: process.version, ...servers }
  for (const name of packages) found[name] = versionOf(name)
  return found
}

/** Found without the package's help: not every one lets its package.json be imported. */
function versionOf(name: string): string {
  for (const folder of ['../../node_modules', '../../../node_modules'])
    try {
      const text = readFileSync(new URL(`${folder}/${name}/package.json`, import.meta.url), 'utf8')
      return (JSON.parse(text) as { version: string }).version
    } catch {
      continue
    }
  return 'not installed'
}
