/**
 * What the tests need beside Node. A PostgreSQL: the one at BUSBAR_TEST_DATABASE_URL, else the one on the default port, else
 * one that busbar brings along and that is removed afterwards (BUSBAR_TEST_EMBEDDED=1 asks for it). A RabbitMQ: the one at
 * BUSBAR_TEST_AMQP_URL, else the one on the default port, else one started from an installed `rabbitmq-server` and removed
 * afterwards (BUSBAR_TEST_OWN_RABBITMQ=1 asks for it; Debian's package is installed for root); where there is none, the
 * tests that need it are skipped and say so. A Chromium: the installed one; likewise.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { startEmbedded } from '../src/journal/embedded.ts'
import { brokerAnswers, brokerPrograms, startBroker } from './rabbitmq-broker.ts'

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres'
const defaultAmqpUrl = 'amqp://guest:guest@127.0.0.1:5672'

export interface TestServices {
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** Finds or starts what the tests need. */
export async function startTestServices(): Promise<TestServices> {
  const settled = await Promise.allSettled([postgresql(), brokerAndBrowser()])
  const services = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const stop = async () => {
    await Promise.all(services.map((service) => service.stop()))
  }
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  return { env: Object.assign({}, ...services.map(({ env }) => env)) as TestServices['env'], stop }
}

async function postgresql(): Promise<TestServices> {
  const given = process.env['BUSBAR_TEST_DATABASE_URL']
  if (given !== undefined) {
    if (!(await answers(given))) throw new Error('no PostgreSQL answers at BUSBAR_TEST_DATABASE_URL')
    return at({ BUSBAR_TEST_DATABASE_URL: given })
  }
  if (process.env['BUSBAR_TEST_EMBEDDED'] !== '1' && (await answers(defaultUrl)))
    return at({ BUSBAR_TEST_DATABASE_URL: defaultUrl })
  return startOwn()
}

function at(env: TestServices['env']): TestServices {
  return { env, stop: async () => {} }
}

async function startOwn(): Promise<TestServices> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-test-postgres-'))
  await chmod(folder, 0o711) // started by root, PostgreSQL runs as another user, who must get in
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const embedded = await startEmbedded({ folder, onLog: (message) => console.error(message) })
    const stop = () => embedded.stop().finally(remove)
    return { env: { BUSBAR_TEST_DATABASE_URL: embedded.url }, stop }
  } catch (error) {
    await remove()
    throw error
  }
}

/** One after the other: two installations at once would wait for each other's lock. */
async function brokerAndBrowser(): Promise<TestServices> {
  const broker = await rabbitmq()
  return { env: { ...broker.env, ...(await chromium()) }, stop: () => broker.stop() }
}

const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

async function chromium(): Promise<TestServices['env']> {
  const given = process.env['BUSBAR_TEST_CHROMIUM']
  if (given !== undefined) return { BUSBAR_TEST_CHROMIUM: given }
  const installed = () => browsers.find((path) => existsSync(path))
  if (!installed()) await install('chromium')
  const path = installed()
  if (path !== undefined) return { BUSBAR_TEST_CHROMIUM: path }
  return { BUSBAR_TEST_CHROMIUM_MISSING: 'no Chromium is installed, and BUSBAR_TEST_CHROMIUM names none' }
}

async function rabbitmq(): Promise<TestServices> {
  const given = process.env['BUSBAR_TEST_AMQP_URL']
  if (given !== undefined) {
    if (!(await brokerAnswers(given))) throw new Error('no RabbitMQ answers at BUSBAR_TEST_AMQP_URL')
    return at({ BUSBAR_TEST_AMQP_URL: given })
  }
  if (process.env['BUSBAR_TEST_OWN_RABBITMQ'] !== '1' && (await brokerAnswers(defaultAmqpUrl)))
    return at({ BUSBAR_TEST_AMQP_URL: defaultAmqpUrl })
  if (brokerPrograms() === undefined) await install('rabbitmq-server')
  if (brokerPrograms() === undefined)
    return at({
      BUSBAR_TEST_AMQP_MISSING: `nothing answers at ${defaultAmqpUrl}, and rabbitmq-server is not installed`,
    })
  const broker = await startBroker()
  return { env: { BUSBAR_TEST_AMQP_URL: broker.url }, stop: () => broker.stop() }
}

/** Only where that is possible without asking anybody: root on Debian. What fails is said, and the tests are skipped. */
async function install(name: string): Promise<void> {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return
  console.error(`installing ${name} for the tests`)
  try {
    await promisify(execFile)('apt-get', ['install', '--yes', '--no-install-recommends', name], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 300_000,
    })
  } catch (error) {
    console.error(`${name} could not be installed:`, String(error).slice(0, 500))
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
