import type { Database } from './database.ts'
import type { EchoFacts, EchoJournal, EchoVerdict, OutstandingWrite } from './port-echoes.ts'

/** Writes and their echoes in SQL; the functions are in 0016-echoes.sql. */
export function sqlEchoes(database: Database): EchoJournal {
  return {
    async registerWrites(writes) {
      await database.query({
        name: 'register-writes',
        text: 'SELECT register_writes($1::json)',
        values: [JSON.stringify(writes)],
      })
    },

    async settleWrites(outcomes) {
      await database.query({
        name: 'settle-writes',
        text: 'SELECT settle_writes($1::json)',
        values: [JSON.stringify(outcomes)],
      })
    },

    async echoFacts({ seqs, objects }) {
      const [row] = await database.query<FactsRow>({
        name: 'echo-facts',
        text: factsText,
        values: [seqs, objects.map(({ system }) => system), objects.map(({ object }) => object)],
      })
      return facts(row)
    },

    async decideEchoes(decisions) {
      const rows = await database.query<{ place: number }>({
        name: 'decide-echoes',
        text: 'SELECT decide_echoes($1::json) AS place',
        values: [JSON.stringify(decisions)],
      })
      return rows.map(({ place }) => place)
    },

    async sweepWrites({ flows, limit }) {
      const [row] = await database.query<{ count: number }>({
        name: 'sweep-writes',
        text: 'SELECT sweep_writes($1::smallint[], $2::int) AS count',
        values: [flows, limit],
      })
      return row?.count ?? 0
    },
  }
}

/** One statement, so that a write and the verdict that it turned into are never both missed. */
const factsText = `
  SELECT extract(epoch FROM clock_timestamp())::double precision * 1000 AS now,
    (SELECT json_agg(json_build_object('seq', v.seq, 'system', v.system, 'writer', json_build_object(
              'flowName', f.name, 'flow', v.flow, 'seq', v.of_seq, 'gen', v.gen, 'step', v.step, 'undo', v.undo)))
     FROM echo_verdicts v JOIN flows f ON f.id = v.flow WHERE v.seq = ANY ($1::bigint[])) AS verdicts,     -- primary key
    (SELECT json_agg(json_build_object('id', e.id, 'system', e.system, 'object', e.object, 'writer', json_build_object(
              'flowName', f.name, 'flow', e.flow, 'seq', e.seq, 'gen', e.gen, 'step', e.step, 'undo', e.undo),
              'fp', e.fp, 'version', e.version, 'versioned', e.versioned, 'after', e.after,
              'at', extract(epoch FROM e.at) * 1000, 'settlesAt', extract(epoch FROM e.settles_at) * 1000) ORDER BY e.id)
     FROM unnest($2::text[], $3::text[]) AS o (system, object)
     JOIN echoes e ON e.system = o.system COLLATE "C" AND e.object = o.object COLLATE "C"                  -- echoes_by_object
     JOIN flows f ON f.id = e.flow) AS writes
`

interface FactsRow {
  now: number
  verdicts: readonly EchoVerdict[] | null
  writes: readonly OutstandingWrite[] | null
}

function facts(row: FactsRow | undefined): EchoFacts {
  return { now: row?.now ?? 0, verdicts: row?.verdicts ?? [], writes: row?.writes ?? [] }
}
