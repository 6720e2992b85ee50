import { z } from 'zod'
import { Limit, Moment, named, pageOf, Sentence, Seq } from './common.ts'
import { AuditEntry } from './overview.ts'
import { Run, RunRef } from './run.ts'

/** In a list, the runs of each problem are counted up to here; of a single problem up to 10,000. */
export const mostListedRuns = 1_000

/** What problems may be in. */
export const problemStates = ['open', 'acknowledged', 'resolved', 'ignored'] as const

/** Unfinished runs grouped by cause. */
export const Problem = named(
  'Problem',
  'Unfinished runs grouped by cause: system, error code, message without what differs from run to run',
  z.object({
    fingerprint: z.string(),
    system: z.string(),
    /** As people call the system; its name where it is none that busbar calls. */
    systemLabel: z.string(),
    code: z.string(),
    title: z.string(),
    state: z.enum(problemStates),
    /** Who has to act: a person; busbar, which goes on by itself; nobody any more. */
    needs: z.enum(['person', 'busbar', 'nobody']),
    /** What it is, since when, how many objects, and what happens next. */
    why: Sentence,
    /** When busbar does something about it next, if that is known. */
    until: Moment.nullable(),
    /** The first time ever. */
    firstSeen: Moment,
    /** This time: since it last came back. */
    since: Moment,
    lastSeen: Moment,
    resolvedAt: Moment.nullable(),
    /** When it came back by itself this time, and from what; null: it has not. */
    backAt: Moment.nullable(),
    backFrom: z.enum(['resolved', 'ignored']).nullable(),
    /** How often it has come. */
    times: z.number().int(),
    owner: z.string().nullable(),
    note: z.string().nullable(),
    runbook: z.string().nullable(),
    /** It comes back by itself then; null: it is not ignored, or until somebody opens it. */
    ignoredUntil: Moment.nullable(),
    /** Open runs of this cause: all, and those that need a person. For a system that is cut off, those that need it next. */
    open: Seq,
    parked: Seq,
    /** Distinct objects of these runs. */
    objects: Seq,
    /** Where these counts stop. */
    countedTo: Seq,
    /** Events not reached, because their flows begin with this system; an estimate where there are many. */
    pending: Seq,
    /** How many runs were open at most in each half hour of the last 24 hours, oldest first; counted up to 1,000. */
    trend: z.array(Seq),
  }),
)
export type Problem = z.infer<typeof Problem>

/** A problem with what a person needs who has to solve it. */
export const ProblemDetail = named(
  'ProblemDetail',
  'A problem with one of its runs, its flows, its earlier times, and who did what about it',
  Problem.extend({
    /** Its oldest run: what was sent and answered last. */
    example: RunRef.extend({
      key: z.string().nullable(),
      step: z.string().nullable(),
      message: z.string().nullable(),
      attemptAt: Moment.nullable(),
      ms: z.number().int().nullable(),
      request: z.string().nullable(),
      response: z.string().nullable(),
    }).nullable(),
    flows: z.array(z.object({ flow: z.string(), runs: Seq })),
    /** Runs that wait behind those of the problem, counted up to 1,000. */
    behind: Seq,
    /** The last ten times before this one, newest first. */
    earlier: z.array(z.object({ since: Moment, until: Moment })),
    /** The newest 50, newest first. */
    history: z.array(AuditEntry),
    /** The latest act on all of its runs. */
    bulkAct: z.object({ id: Seq, verb: z.string(), state: z.string() }).nullable(),
  }),
)
export type ProblemDetail = z.infer<typeof ProblemDetail>

export const ProblemsQuery = z.object({
  state: z.enum([...problemStates, 'unresolved']).default('unresolved'),
  system: z.string().max(80).optional(),
  /** Of which a run of this flow is open, among the first 200 of each. */
  flow: z.string().max(80).optional(),
  owner: z.string().max(80).optional(),
  /** Those that need a person, or those that go on by themselves. */
  needs: z.enum(['person', 'busbar']).optional(),
  /** `lastSeen`: last seen first; `since`: those that last longest first. */
  sort: z.enum(['lastSeen', 'since']).default('lastSeen'),
  cursor: z.string().max(400).optional(),
  limit: Limit,
})
export type ProblemsQuery = z.output<typeof ProblemsQuery>

export const ProblemPage = named(
  'ProblemPage',
  'One page of problems, and how many there are of each kind, counted up to 1,000',
  pageOf(Problem).extend({
    counts: z.object({ person: Seq, busbar: Seq, acknowledged: Seq, ignored: Seq, resolved: Seq }),
  }),
)
export type ProblemPage = z.infer<typeof ProblemPage>

/** By what to gather problems. */
export const ProblemGroupsQuery = z.object({ by: z.enum(['system', 'flow']) })
export type ProblemGroupsQuery = z.output<typeof ProblemGroupsQuery>

export const ProblemGroups = named(
  'ProblemGroups',
  'Problems that are not over, by system or by flow, those that need a person first',
  z.object({
    items: z.array(
      z.object({
        /** null: problems without open runs, of no flow. */
        name: z.string().nullable(),
        label: z.string().nullable(),
        /** A problem counts for each flow that has runs of it. */
        problems: Seq,
        /** Of these those that need a person. */
        person: Seq,
        /** Open runs of these problems, counted up to 200 of each. */
        open: Seq,
        /** Since when the oldest of them lasts. */
        since: Moment,
        lastSeen: Moment,
      }),
    ),
    /** false: there are more than the 500 last seen, which are gathered here. */
    complete: z.boolean(),
  }),
)
export type ProblemGroups = z.infer<typeof ProblemGroups>

/** Names a problem in a path. */
export const ProblemPath = z.object({ fingerprint: z.string().min(1).max(255) })

/** What a person says about a problem; what is left out stays, null takes away. */
export const ProblemChange = z.object({
  state: z.enum(['open', 'acknowledged', 'ignored']).optional(),
  /** Goes with `ignored`; null: until somebody opens it. */
  ignoredUntil: Moment.nullable().optional(),
  /** Who acknowledges looks after it, unless this says who, or somebody does already. */
  owner: z.string().trim().min(1).max(80).nullable().optional(),
  note: z.string().trim().min(1).max(2_000).nullable().optional(),
  /** Where it is written what to do: a link. */
  runbook: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .nullable()
    .optional(),
})
export type ProblemChange = z.output<typeof ProblemChange>

/** Which runs of a problem to list. */
export const ProblemRunsQuery = z.object({
  state: z.enum(['waiting', 'retrying', 'running', 'parked']).optional(),
  cursor: z
    .string()
    .regex(/^\d{1,16}-\d{1,5}-\d{1,5}$/)
    .optional(),
  limit: Limit,
})
export type ProblemRunsQuery = z.output<typeof ProblemRunsQuery>

/** One page of the runs of a problem, in log order. */
export const ProblemRunPage = named(
  'ProblemRunPage',
  'One page of the open runs of a problem, oldest event first, each with the step that is in trouble and how many runs wait behind it (counted up to 100)',
  pageOf(Run.extend({ step: z.string().nullable(), behind: Seq })),
)
export type ProblemRunPage = z.infer<typeof ProblemRunPage>
