/** What is published, as a stranger gets it: packed, installed into an empty folder, and run. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = new URL('../..', import.meta.url).pathname
let folder: string
let project: string

interface Ended {
  readonly code: number | null
  readonly output: string
}

function start(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  // The tests' own Node first, whatever the machine's is.
  const path = `${dirname(process.execPath)}:${process.env['PATH']}`
  return spawn(command, args, {
    cwd,
    env: { ...process.env, ...env, PATH: path, NO_COLOR: '1' },
    stdio: 'pipe',
  })
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const child = start(command, args, cwd, env)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'busbar-package-'))
  await chmod(folder, 0o711) // run by root, the embedded PostgreSQL runs as another user, who must get in
  project = join(folder, 'first-steps')
  const built = await run('npm', ['run', 'build'], root)
  expect(built.code, built.output).toBe(0)
  const packed = await run('npm', ['pack', '--pack-destination', folder], root)
  expect(packed.code, packed.output).toBe(0)
}, 120_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

it('makes a project whose own test and types pass', async () => {
  const made = await run(process.execPath, [join(root, 'dist/cli/main.js'), 'init', project], folder)
  expect(made.code, made.output).toBe(0)
  const file = join(project, 'package.json')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/"busbar": "[^"]+"/, '"busbar": "file:../busbar-0.1.0.tgz"'))
  const installed = await run('npm', ['install', '--no-audit', '--no-fund'], project)
  expect(installed.code, installed.output).toBe(0)
  const tested = await run('npm', ['test'], project)
  expect(tested.code, tested.output).toBe(0)
  const typed = await run('npm', ['run', 'types'], project)
  expect(typed.code, typed.output).toBe(0)
  // A project that is itself a library: every type that busbar's functions answer has a name that can be imported.
  const declared = await run(
    'npx',
    ['tsc', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', 'types'],
    project,
  )
  expect(declared.code, declared.output).toBe(0)
}, 240_000)

it('says which package "busbar mcp" needs where it is not installed', async () => {
  const ended = await run(join(project, 'node_modules/.bin/busbar'), ['mcp'], project)
  expect(ended.code, ended.output).toBe(2)
  expect(ended.output).toContain('npm install @modelcontextprotocol/sdk')
})

it('runs as its README says: an event by curl reaches the ERP', async () => {
  const [erpPort, port] = [await freePort(), await freePort()]
  for (const [name, from, to] of [
    ['erp.ts', '7071', String(erpPort)],
    ['systems.ts', '7071', String(erpPort)],
    ['busbar.config.ts', 'flows: [bookSale],', `flows: [bookSale],\n  http: { port: ${port} },`],
  ] as const) {
    const path = join(project, name)
    await writeFile(path, (await readFile(path, 'utf8')).replace(from, to))
  }
  const erp = start(process.execPath, ['erp.ts'], project)
  const busbar = start(join(project, 'node_modules/.bin/busbar'), ['dev', '--log-level', 'warn'], project)
  let output = ''
  busbar.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  busbar.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  try {
    await expect.poll(() => output, { timeout: 60_000 }).toContain('busbar runs at')
    const body = (await readFile(join(project, 'README.md'), 'utf8')).match(/-d '(\{[\s\S]*?)'/)?.[1] ?? ''
    const answer = await fetch(`http://127.0.0.1:${port}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body,
    })
    expect(answer.status).toBe(202)
    const sales = async () => (await fetch(`http://127.0.0.1:${erpPort}/sales`)).text()
    await expect.poll(sales, { timeout: 20_000 }).toContain('"reference":"SO-1"')
    const status = await run(
      join(project, 'node_modules/.bin/busbar'),
      ['status', '--url', `http://127.0.0.1:${port}`],
      project,
    )
    expect(status.code, status.output).toBe(0)
    expect(status.output).toContain('book-sale')
  } finally {
    const ended = new Promise((resolve) => busbar.once('close', resolve))
    busbar.kill('SIGTERM')
    erp.kill('SIGTERM')
    await ended
  }
}, 120_000)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
