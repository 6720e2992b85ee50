import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Config } from '../define/config.ts'
import { BusbarError } from '../errors.ts'

const names = ['busbar.config.ts', 'busbar.config.js', 'busbar.config.mjs', 'busbar.config.mts']

/** The configuration file: the one named, else the first of the usual names in the working directory. Throws `config.invalid`. */
export async function findConfigFile(given: string | undefined): Promise<string> {
  for (const name of given === undefined ? names : [given]) {
    const path = resolve(name)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  throw new BusbarError(
    'config.invalid',
    given === undefined
      ? `there is no busbar.config.ts (or .js) in ${process.cwd()}; "busbar init" makes one`
      : `there is no file ${resolve(given)}`,
  )
}

/** Loads a configuration: the default export of the file, made by `defineConfig`. Throws `config.invalid` with what is wrong. */
export async function loadConfig(given: string | undefined): Promise<{ config: Config; file: string }> {
  const file = await findConfigFile(given)
  let loaded: { default?: unknown }
  try {
    loaded = (await import(pathToFileURL(file).href)) as { default?: unknown }
  } catch (error) {
    if (error instanceof BusbarError) throw error
    throw new BusbarError('config.invalid', `${file} cannot be loaded: ${whyOf(error)}`, { cause: error })
  }
  if (!isConfig(loaded.default))
    throw new BusbarError('config.invalid', `${file} must have "export default defineConfig({ … })"`)
  return { config: loaded.default, file }
}

const own = fileURLToPath(new URL('..', import.meta.url))

/** What is wrong, and where in the user's files; Node names the place of a syntax error before its trace, all else in it. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const places = error.stack?.match(/\/[^\s():]+:\d+(?::\d+)?/g) ?? []
  const place = places.find((each) => !each.includes('/node_modules/') && !each.startsWith(own))
  return `${error.name}: ${error.message}${place === undefined ? '' : ` (${place})`}`
}

/** Checked by its shape: the project may bring a copy of busbar of its own. */
function isConfig(value: unknown): value is Config {
  const candidate = value as Partial<Config> | null | undefined
  return Array.isArray(candidate?.flows) && candidate.contracts instanceof Map
}
