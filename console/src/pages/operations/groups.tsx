import { Pause, Play } from 'lucide-react'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { useSystemsOf } from '../../me.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

type Group = Answer<'listGroups'>['items'][number]

/** The lane groups: who runs each, how far it is, and whether it is held. */
export function Groups() {
  const query = useAsk('status', 'listGroups')
  return (
    <Asked query={query}>{({ items }) => (items.length === 0 ? <None /> : <List items={items} />)}</Asked>
  )
}

function None() {
  return (
    <div className="card">
      <Empty sign="pending" title="No lane groups yet">
        A lane group runs the events of one flow, or of several that share one order. Each flow of the
        configuration gets one when a process with the role worker starts.
      </Empty>
    </div>
  )
}

function List({ items }: { readonly items: readonly Group[] }) {
  const [chosen] = useSearchValue('group')
  const [asked, setAsked] = useState<Group>()
  return (
    <Card title={sentenceOf(items)} flush className="scrolls">
      <table className="table">
        <thead>
          <tr>
            <th>Lane group</th>
            <th>State</th>
            <th className="desk-only">Run by</th>
            <th className="num desk-only">Not reached yet</th>
            <th className="num desk-only">Keys held</th>
            <th className="num desk-only">Come to</th>
            <th>
              <span className="sr">Act</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((group) => (
            <Row
              key={`${group.name} ${group.partition}`}
              group={group}
              isChosen={group.name === chosen}
              onAct={() => setAsked(group)}
            />
          ))}
        </tbody>
      </table>
      {asked && <PauseDialog group={asked} onClose={() => setAsked(undefined)} />}
    </Card>
  )
}

/** What is true of all of them. */
function sentenceOf(items: readonly Group[]): string {
  const names = new Set(items.map(({ name }) => name))
  const paused = new Set(items.filter((group) => group.paused).map(({ name }) => name))
  const unowned = items.filter(({ owner }) => owner === null).length
  const pending = items.reduce((sum, group) => sum + group.pending, 0)
  const parts = [
    ...(paused.size > 0
      ? [`${paused.size === 1 ? `${[...paused][0]} is` : `${paused.size} are`} paused`]
      : []),
    ...(unowned > 0 ? [`nobody runs ${unowned === items.length ? 'them' : counted(unowned, 'part')}`] : []),
    pending === 0 ? 'nothing is behind' : `${counted(pending, 'event')} not reached yet`,
  ]
  return `${counted(names.size, 'lane group')}: ${parts.join(', ')}`
}

function stateOf({ paused, owner, partitions, wantedPartitions }: Group): string {
  if (paused) return 'paused'
  if (owner === null) return 'unowned'
  return partitions === wantedPartitions ? 'runs' : 'resizing'
}

interface RowProps {
  readonly group: Group
  readonly isChosen: boolean
  readonly onAct: () => void
}

function Row({ group, isChosen, onAct }: RowProps) {
  const {
    name,
    partition,
    partitions,
    flows,
    owner,
    pending,
    exact,
    oldestPendingAt,
    lanes,
    position,
    head,
  } = group
  const Icon = group.paused ? Play : Pause
  const touches = useSystemsOf()((flow) => flow.group === name)
  return (
    <tr aria-selected={isChosen}>
      <td>
        <span className="main-cell">{name}</span>
        <span className="under">
          {partitions > 1 && `part ${partition + 1} of ${partitions}, `}
          {flows.length === 1 && flows[0] === name ? 'its own flow' : flows.join(', ')}
        </span>
        {pending > 0 && (
          <span className="phone-only">
            <span className="under">{counted(pending, 'event')} not reached yet</span>
          </span>
        )}
      </td>
      <td>
        <State kind="engine" of={stateOf(group)} />
      </td>
      <td className="dim mono desk-only">{owner ?? 'nobody'}</td>
      <td className="num desk-only">
        {pending === 0 ? <span className="faint">none</span> : `${exact ? '' : 'about '}${count(pending)}`}
        {oldestPendingAt !== null && (
          <span className="under">
            oldest <Time at={oldestPendingAt} />
          </span>
        )}
      </td>
      <td className="num desk-only">{lanes === 0 ? <span className="faint">none</span> : count(lanes)}</td>
      <td className="num mono dim desk-only">
        {count(position)} of {count(head)}
      </td>
      <td className="num">
        {partition === 0 && (
          <ActButton className="btn s" touches={touches} onClick={onAct}>
            <Icon className="i" aria-hidden="true" />
            {group.paused ? `Resume ${name}…` : `Pause ${name}…`}
          </ActButton>
        )}
      </td>
    </tr>
  )
}

function PauseDialog({ group, onClose }: { readonly group: Group; readonly onClose: () => void }) {
  const { name, paused, pending, flows } = group
  const { mutate, isPending } = useAct(paused ? 'resumeGroup' : 'pauseGroup', {
    done: (now) => {
      toast({ tone: 'ok', title: `${name} ${now.paused ? 'is paused' : 'goes on'}` })
      onClose()
    },
  })
  return (
    <ReasonDialog
      title={paused ? `Go on with ${name}?` : `Pause ${name}?`}
      act={paused ? `Resume ${name}` : `Pause ${name}`}
      keep={paused ? 'Leave it paused' : 'Let it run'}
      needed={!paused}
      busy={isPending}
      onClose={onClose}
      onAct={(reason) => mutate({ name, ...(reason !== undefined && { reason }) })}
    >
      <p className="dim">
        {paused
          ? `${pending === 0 ? 'No event waits' : `${counted(pending, 'event')} wait`} for it. They are run in order, as fast as the limits of the systems allow.`
          : `No further run of ${flows.join(', ')} is started. Events are accepted as before and wait in the log; calls under way end as they end. Nothing is lost.`}
      </p>
    </ReasonDialog>
  )
}
