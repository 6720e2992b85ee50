import { readFileSync } from 'node:fs'

/** What comes from outside: each from an environment variable, or from the file that `<NAME>_FILE` names. */
export const env = {
  databaseUrl: setting('DATABASE_URL'),
  amqpUrl: setting('AMQP_URL'),
  erpUrl: setting('ERP_URL'),
} as const

function setting(name: string): string {
  const file = process.env[`${name}_FILE`]
  const value = file === undefined ? process.env[name] : readFileSync(file, 'utf8').trim()
  if (!value) throw new Error(`${name} is missing: set it, or ${name}_FILE`)
  return value
}
