/** A running busbar, its console in a real browser, and what the browser complained about. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { describe } from 'vitest'
import { createHub, defineConfig, postgres } from '../../src/index.ts'
import type { Hub, HubOptions } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

const missing = process.env['BUSBAR_TEST_CHROMIUM_MISSING']
const executablePath = process.env['BUSBAR_TEST_CHROMIUM'] ?? '/usr/bin/chromium'
const timeoutMs = 10_000

/** Skipped, with the reason, where there is no browser. */
export function describeWithBrowser(name: string, body: () => void): void {
  if (missing !== undefined) console.warn(`skipped: "${name}": ${missing}`)
  describe.skipIf(missing !== undefined)(name, body)
}

export const desktop = { width: 1440, height: 900 }
export const phone = { width: 390, height: 844 }

export interface ConsoleRig {
  readonly hub: Hub
  /** Of the journal. */
  readonly schema: string
  readonly page: Page
  readonly context: BrowserContext
  /** What the browser said is wrong: errors, refused by the content security policy, answers of 500. Empty at the end of a good test. */
  readonly complaints: readonly string[]
  /** Opens a page of the console and waits until it shows what it has. */
  open(path: string): Promise<void>
  sql<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  close(): Promise<void>
}

type Settings = Parameters<typeof defineConfig>[0]

/**
 * Starts a hub with these settings (on loopback, with a journal and a port of its own, nobody asked to sign in) and opens
 * the console in a browser without a window.
 */
export async function openConsole(
  settings: Partial<Settings> = {},
  {
    view = desktop,
    theme,
    ...options
  }: HubOptions & { view?: typeof desktop; theme?: 'light' | 'dark' } = {},
): Promise<ConsoleRig> {
  const schema = `console_${randomBytes(6).toString('hex')}`
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: `-c search_path=${schema}` })
  const hub = createHub(
    defineConfig({
      journal: postgres({ url: databaseUrl, schema }),
      outbox: false,
      flows: [],
      http: { port: 0, unauthenticated: true },
      ...settings,
    }),
    { migrate: true, log: 'silent', leaseMs: 2_000, ...options },
  )
  await hub.start()
  const browser = await openBrowser()
  const complaints: string[] = []
  const context = await browser.newContext({
    viewport: view,
    colorScheme: theme ?? 'light',
    reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(timeoutMs)
  const page = await context.newPage()
  watch(page, complaints)
  return {
    hub,
    schema,
    page,
    context,
    complaints,
    async open(path) {
      await page.goto(`${hub.url}${path}`)
      await page.locator('h1').first().waitFor()
      // Counted from outside: what is evaluated in the page, its content security policy refuses.
      await page.locator('.loading').first().waitFor({ state: 'detached' })
    },
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      return (await pool.query<Row>(text, [...values])).rows
    },
    async close() {
      await closeBrowser(browser)
      await hub.stop({ graceMs: 1_000 })
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    },
  }
}

const folders = new WeakMap<Browser, string>()

/** A Chromium without a window and without errands of its own. */
export async function openBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-chromium-'))
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--disk-cache-dir=${folder}`,
    ],
  })
  folders.set(browser, folder)
  return browser
}

export async function closeBrowser(browser: Browser): Promise<void> {
  await browser.close()
  rmSync(folders.get(browser) ?? '', { recursive: true, force: true })
}

/** Collects what a person would see in the browser's console. */
export function watch(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`)
  })
}
