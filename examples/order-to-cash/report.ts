import type { Findings, SystemFindings } from './check.ts'
import { isConsistent } from './check.ts'
import type { ShopRecord } from './shop.ts'
import type { FaultKind } from './simulators/faults.ts'
import type { Story } from './wholesale-story.ts'

/** One of the two runs, as it ended. */
export interface RunResult {
  readonly shop: ShopRecord
  readonly findings: Findings
  /** How many requests met which fault, over all systems. */
  readonly faultsMet: Readonly<Record<FaultKind, number>>
}

/** The whole comparison. */
export interface Comparison {
  readonly seed: number
  readonly orders: number
  readonly direct: RunResult
  readonly busbar: RunResult
}

type Fault = 'missing' | 'duplicated' | 'outOfOrder' | 'unknown'

const number = new Intl.NumberFormat('en')
const names: Readonly<Record<string, string>> = {
  erp: 'in the ERP',
  accounting: 'in accounting',
  logistics: 'in logistics',
}

/** The comparison as people read it: aligned columns, "none" for zero. */
export function toTable({ direct, busbar }: Comparison): string {
  const results = [direct, busbar]
  const rows = [
    ['What was left behind', 'direct calls', 'busbar'],
    ...faultRows('Orders missing', { fault: 'missing', results }),
    ...faultRows('Orders doubled', { fault: 'duplicated', results }),
    ...faultRows('Orders out of order', { fault: 'outOfOrder', results }),
    ['Orders the systems disagree on', ...results.map(({ findings }) => counted(findings.disagree.length))],
    ['Time to consistency', ...results.map(({ findings }) => spell(findings.consistentAfterMs))],
  ]
  return aligned(rows)
}

/** The comparison as programs read it; counts are of orders, times in milliseconds, null for never. */
export function toJson({ seed, orders, direct, busbar }: Comparison, wholesale: Story): string {
  return JSON.stringify({
    seed,
    orders,
    messages: busbar.shop.sent.length,
    direct: summary(direct),
    busbar: summary(busbar),
    consistent: isConsistent(busbar.findings),
    wholesale,
  })
}

function summary({ shop, findings, faultsMet }: RunResult): object {
  const per = (fault: Fault) => ({
    ...Object.fromEntries(findings.systems.map((system) => [system.name, system[fault].length])),
    total: inAny(findings, fault),
  })
  return {
    deliveries: shop.deliveries,
    faultsMet,
    missing: per('missing'),
    duplicated: per('duplicated'),
    outOfOrder: per('outOfOrder'),
    unknown: per('unknown'),
    disagree: findings.disagree.length,
    timeToConsistencyMs: findings.consistentAfterMs ?? null,
  }
}

function faultRows(
  title: string,
  { fault, results }: { fault: Fault; results: readonly RunResult[] },
): string[][] {
  const [first] = results
  const systems = first?.findings.systems ?? []
  const inSystem = (name: string, { findings }: RunResult) =>
    findings.systems.find((system: SystemFindings) => system.name === name)?.[fault].length ?? 0
  return [
    [title, ...results.map(({ findings }) => counted(inAny(findings, fault)))],
    ...systems.map(({ name }) => [
      `  ${names[name] ?? name}`,
      ...results.map((result) => counted(inSystem(name, result))),
    ]),
  ]
}

/** Orders with this fault in at least one system. */
function inAny({ systems }: Findings, fault: Fault): number {
  return new Set(systems.flatMap((system) => system[fault])).size
}

function counted(amount: number): string {
  return amount === 0 ? 'none' : number.format(amount)
}

function spell(ms: number | undefined): string {
  if (ms === undefined) return 'never'
  return ms < 100 ? 'at once' : `${(ms / 1_000).toFixed(1)} s`
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 4))).join('')}`
  const [head = [], ...body] = rows.map(line)
  return [head, `  ${'─'.repeat(widths.reduce((sum, width) => sum + width, 8))}`, ...body].join('\n')
}
