/*
 * A shop, a warehouse and an ERP that speak of orders (four events each) and of one article whose stock changes with every
 * hundredth event; `:flows` flows that take all of it. Nearly all runs have succeeded; those of the last `:open` orders have
 * not: a quarter is parked, a quarter is tried again, the others wait behind them. :events, :flows and :open are numbers.
 */

/** A statement, and what to say when it is done. */
type Told = readonly [what: string, text: string]

const parked = 'n.state = 4'

export const before: readonly string[] = [
  `ALTER TABLE echo_verdicts SET UNLOGGED; ALTER TABLE events SET UNLOGGED; ALTER TABLE runs SET UNLOGGED;
   ALTER TABLE steps SET UNLOGGED; ALTER TABLE attempts SET UNLOGGED; ALTER TABLE links SET UNLOGGED;
   ALTER TABLE audit SET UNLOGGED; ALTER TABLE expected SET UNLOGGED; ALTER TABLE stats SET UNLOGGED;
   ALTER TABLE stats_hours SET UNLOGGED`,
  `ALTER TABLE events DROP CONSTRAINT events_source_id_key; DROP INDEX events_by_key;
   ALTER TABLE runs DROP CONSTRAINT runs_pkey`,
  `INSERT INTO systems (name, address) SELECT s, 'http://' || s || '.example'
   FROM unnest('{erp,accounting,logistics,crm,wms}'::text[]) s`,
  `INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq)
   SELECT 'flow-' || f, 'flow-' || f, 0, 2, '{shop.order.placed,shop.order.changed,wms.pick.completed,erp.stock.changed}', '{0,0,0,0}',
          jsonb_build_object('group', 'flow-' || f, 'order', 0, 'types', '{}'::jsonb, 'steps', jsonb_build_array(
            jsonb_build_object('name', 'sale', 'system', 'erp'),
            jsonb_build_object('name', 'invoice', 'system', 'accounting', 'after', jsonb_build_array('sale')),
            jsonb_build_object('name', 'shipment', 'system', 'logistics', 'after', jsonb_build_array('invoice')))), 0
   FROM generate_series(1, :flows) f`,
  `INSERT INTO lane_groups (grp, part, parts, owner) SELECT grp, p, 4, 'worker-1' FROM flows, generate_series(0, 3) p`,
  // A month ago a step got another name.
  `INSERT INTO flow_adoptions (flow, part, parts, version, declaration, until)
   SELECT f.id, p, 4, v.version, CASE v.version WHEN 1 THEN jsonb_set(f.declaration, '{steps,1,name}', '"bill"') ELSE f.declaration END,
          CASE v.version WHEN 1 THEN now() - interval '30 days' END
   FROM flows f, generate_series(0, 3) p, generate_series(1, 2) v (version)`,
  `INSERT INTO positions (flow, part, position) SELECT id, p, :events FROM flows, generate_series(0, 3) p`,
  `INSERT INTO workers (id, host, lease_until, flows) SELECT 'worker-1', 'here', 'infinity', array_agg(id) FROM flows`,
]

// Event n: order number (n - 1) / 4, or the article. Four events of an order stand a few thousand apart, as orders do.
const eventsText = `
INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
SELECT n, (ARRAY['shop', 'shop', 'wms', 'erp'])[1 + n % 4], 'evt-' || n,
       (ARRAY['shop.order.placed', 'shop.order.changed', 'wms.pick.completed', 'erp.stock.changed'])[1 + n % 4],
       CASE WHEN n % 100 = 99 THEN 'ART-1' ELSE 'SO-' || (1000000 + (n / 4000) * 1000 + n % 1000) END, n % 64,
       now() - (:events - n) * interval '3 s',
       '{"number":"SO-' || n || '","customer":"C-' || n % 5000 || '","totalCents":' || n % 100000 || ',"lines":[{"sku":"40-2210","quantity":2,"net":49.90}]}',
       '{"subject":"' || n || '"}'
FROM generate_series(1, :events) n`

// A plain success has only its first half. The last :open events of each flow are open.
const runsText = `
INSERT INTO runs (flow, seq, gen, state, system, tries, attempts, first_at, ended_at, ms, status)
SELECT f, n, 0, 10, 1 + (n + f) % 5, 1, 1, now() - (:events - n) * interval '3 s', now() - (:events - n) * interval '3 s', n % 900, 200
FROM generate_series(1, :flows) f, generate_series(1, :events - :open) n`

const openText = `
INSERT INTO runs (flow, seq, gen, state, system, tries, attempts, first_at, ord, khash, lord, grp, key, next_at, code, message, fp)
SELECT n.f, n.seq, 0, n.state, 1 + n.seq % 5, 2, 2, now() - interval '1 h', 0, n.khash, n.seq, 'flow-' || n.f, n.key,
       CASE n.state WHEN 2 THEN now() + interval '10 min' END, CASE WHEN n.state <> 1 THEN 'call.invalid' END,
       CASE WHEN n.state <> 1 THEN 'answers 422: line ' || n.seq % 9 || ' has no tax code' END,
       CASE WHEN n.state <> 1 THEN 'fp-' || n.seq % 500 END
FROM (
  SELECT f, e.seq, e.khash, e.key,
         CASE WHEN row_number() OVER (PARTITION BY f, e.key ORDER BY e.seq) > 1 THEN 1 WHEN e.seq % 2 = 0 THEN 4 ELSE 2 END AS state
  FROM generate_series(1, :flows) f, events e WHERE e.seq > :events - :open
) n`

/** Two chains, side by side: they write to different tables. */
export const large: readonly (readonly Told[])[] = [
  [
    ['events', eventsText],
    ['events by source and id', 'ALTER TABLE events ADD CONSTRAINT events_source_id_key UNIQUE (source, id)'],
    ['events by key', 'CREATE INDEX events_by_key ON events (key, seq) WHERE key IS NOT NULL'],
    [
      'links',
      `INSERT INTO links (kind, cid, system, ext, flow, seq, gen, step, at)
       SELECT DISTINCT ON (e.key) 'order', e.key, 'erp', 'SAL-' || e.seq, 1, e.seq, 0, 'sale', e.received_at
       FROM events e WHERE e.seq > :events - 2000000 AND e.key <> 'ART-1' ORDER BY e.key, e.seq`,
    ],
  ],
  [
    ['runs', runsText],
    ['runs by flow and event', 'ALTER TABLE runs ADD PRIMARY KEY (flow, seq, gen)'],
    [
      'steps',
      `INSERT INTO steps (flow, seq, gen, step, state, tries, attempts, first_at, ended_at, status, result)
       SELECT 1, n, 0, s, CASE WHEN n > :events - :open AND s = 'invoice' THEN 4 ELSE 10 END, 1, 1, now() - interval '1 h',
              now() - interval '1 h', 200, '{"id":"R-' || n || '"}'
       FROM generate_series(greatest(1, :events - 500000), :events) n, unnest('{sale,invoice}'::text[]) s`,
    ],
    [
      'attempts',
      `INSERT INTO attempts (flow, seq, gen, step, no, kind, outcome, at, ms, status, code, message, request, response, worker)
       SELECT 1, n, 0, 'invoice', a, 'send', 'transient', now() - (:events - n) * interval '3 s', 40, 503, 'call.transient', 'answers 503',
              repeat('POST /invoices ', 30), repeat('503 ', 20), 'worker-1'
       FROM generate_series(greatest(1, :events - 500000), :events) n, generate_series(1, 2) a`,
    ],
    [
      'audit',
      `INSERT INTO audit (at, actor, verb, object, reason, before, after)
       SELECT now() - (1000000 - n) * interval '30 s', 'key:desk', 'retry', 'run flow-1/' || n, NULL, '{"state": 4}', '{"state": 2}'
       FROM generate_series(1, least(:events, 1000000)) n`,
    ],
    [
      'statistics',
      `INSERT INTO stats (minute, flow, system, outcome, worker, count, total_ms, max_ms)
       SELECT date_trunc('minute', now()) - m * interval '1 min', f, s, o, 'worker-1', 40 + m % 50, 4000, 900
       FROM generate_series(0, 10080) m, generate_series(1, :flows) f, generate_series(1, 5) s, unnest('{succeeded,transient}'::text[]) o`,
    ],
  ],
]

export const afterwards: readonly Told[] = [
  ['open runs', openText],
  [
    'lanes',
    `INSERT INTO lanes (grp, key, khash, system, next_at)
     SELECT DISTINCT ON (r.grp, r.key) r.grp, r.key, r.khash, r.system, CASE ${parked.replace('n.', 'r.')} WHEN true THEN 'infinity' ELSE r.next_at END
     FROM runs r WHERE r.state < 10 AND r.state <> 1 ORDER BY r.grp, r.key, r.seq`,
  ],
  [
    'problems',
    `INSERT INTO problems (fp, system, code, title, first_seen, last_seen, state)
     SELECT 'fp-' || n, (ARRAY['erp', 'accounting', 'logistics'])[1 + n % 3], 'call.invalid', 'answers 422: line <n> has no tax code ' || n,
            now() - n * interval '1 h', now() - n * interval '1 min', CASE WHEN n < 500 THEN 'open' ELSE 'resolved' END
     FROM generate_series(0, 20000) n`,
  ],
  [
    'expectations',
    `INSERT INTO expectations (name, print, declaration, look_back_ms, position, moved_at)
     SELECT 'invoiced-' || x, '', '{"after": "shop.order.placed", "expected": "invoice.posted", "within": "2 h"}', 0, :events, now()
     FROM generate_series(1, 3) x;
     INSERT INTO expected (expectation, seq, key, opened_at, due_at, state)
     SELECT x.id, e.seq, e.key, e.received_at, e.received_at + interval '2 h', CASE WHEN e.received_at < now() - interval '2 h' THEN 2 ELSE 1 END
     FROM expectations x, events e WHERE e.seq > :events - 50000 AND e.key <> 'ART-1'`,
  ],
  [
    'outbox',
    `INSERT INTO outbox (source, event_id, type, key, data, ext)
     SELECT 'legacy', 'o-' || n, 'shop.order.placed', 'SO-' || n, '{}', '{}' FROM generate_series(1, 50000) n;
     INSERT INTO outbox_rejected (source, event_id, type, key, data, ext, at, code, message, fp)
     SELECT 'legacy', 'r-' || n, 'shop.order.placed', 'SO-' || n, '{}', '{}', now(), 'event.invalid', 'no number', 'outbox:' || n % 9
     FROM generate_series(1, 20000) n`,
  ],
  ['vacuum and planner statistics', 'VACUUM (ANALYZE)'],
]
