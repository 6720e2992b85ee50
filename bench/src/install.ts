import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Installs what busbar is measured against, as the lock file has it, when that has not been done. */
export function installPeers(): void {
  const folder = new URL('..', import.meta.url).pathname
  if (existsSync(`${folder}node_modules/.package-lock.json`)) return
  const { status } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--prefix', folder],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  if (status !== 0) throw new Error('the peers cannot be installed: npm ci --prefix bench has failed')
}
