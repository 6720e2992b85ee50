import type { Command } from 'commander'
import type { SealedEntry, AuditVerified } from '../../control/schema/audit.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import { countOf } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { styled } from '../terminal.ts'
import { moment, number } from '../words.ts'
import { table } from '../table.ts'

/** `audit list`, `audit verify`. */
export function addAuditCommands(program: Command, action: Action): void {
  const audit = program.command('audit').description('who did what')
  audit
    .command('list')
    .description('list acts, newest first')
    .option('--actor <actor>', 'of this one only, such as user:ada or key:ci')
    .option('--verb <verb>', 'of this kind only, such as retry')
    .option('--object <object>', 'on this object only, such as "run order-to-cash/42"')
    .option('--limit <n>', 'how many', '20')
    .action(action(list))
  audit
    .command('verify')
    .description(
      'whether the audit trail is as it was written; names the first entry that is not (exit code 1)',
    )
    .option('--expect <head>', 'the head that an earlier call has told: the trail must still hold it')
    .action(action(verify))
}

interface ListOptions {
  readonly actor?: string
  readonly verb?: string
  readonly object?: string
  readonly limit: string
}

async function list(context: Context, { limit, ...filter }: ListOptions): Promise<void> {
  const page = await listed(countOf('--limit', limit, mostListed), (query) =>
    context.client.listAudit({
      ...filter,
      limit: query.limit,
      ...(query.next !== undefined && { before: Number(query.next) }),
    }),
  )
  context.show(page, ({ items }) => {
    if (items.length === 0) return 'no acts'
    const columns = [
      ...[{ title: 'NO', right: true }, { title: 'WHEN' }, { title: 'WHO' }, { title: 'WHAT' }],
      { title: 'WHY', shrinks: true },
    ]
    const row = (entry: SealedEntry) => [
      entry.number === null ? '?' : number(entry.number),
      moment(entry.at),
      entry.actor,
      `${entry.verb} ${entry.object}`,
      entry.reason ?? '',
    ]
    return table(context.terminal, columns, items.map(row))
  })
}

async function verify(context: Context, options: { readonly expect?: string }): Promise<void> {
  let checked = 0
  let head: AuditVerified['head'] = null
  let broken: AuditVerified['broken'] = null
  for (let after: number | null = 0; after !== null;) {
    const stretch: AuditVerified = await context.client.verifyAudit({ after, ...options })
    checked += stretch.checked
    head = stretch.head ?? head
    broken = stretch.broken
    after = stretch.next
  }
  if (broken) process.exitCode = exitCode.failed
  context.show({ checked, broken, head }, () =>
    broken
      ? `${styled(context.terminal, 'red', 'The audit trail is broken')}: ${broken.message}`
      : wholeWords(checked, head),
  )
}

function wholeWords(checked: number, head: AuditVerified['head']): string {
  if (!head) return 'The audit trail is empty.'
  return [
    `${checked === 1 ? 'The one entry is as it was' : `All ${number(checked)} entries are as they were`} written.`,
    `Head: ${head.number}:${head.hash} (note it elsewhere, and give it as --expect later)`,
  ].join('\n')
}
