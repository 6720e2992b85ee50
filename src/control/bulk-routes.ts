import { act, defineRoute, read } from './route.ts'
import { Because } from './schema/act.ts'
import {
  BulkAct,
  BulkActsQuery,
  BulkBody,
  BulkDetail,
  BulkItemsQuery,
  BulkPage,
  BulkPath,
} from './schema/bulk.ts'

/** The operations on acts on many runs. */
export const bulkRoutes = {
  planBulkAct: defineRoute({
    ...act,
    path: '/bulk-acts',
    tag: 'bulk acts',
    summary:
      'Plan a retry, skip or compensation of many runs: store which, count them, say what is sent and what not',
    body: BulkBody,
    answer: BulkAct,
  }),
  listBulkActs: defineRoute({
    ...read,
    path: '/bulk-acts',
    tag: 'bulk acts',
    summary: 'Acts on many runs, newest first',
    query: BulkActsQuery,
    answer: BulkPage,
  }),
  getBulkAct: defineRoute({
    ...read,
    path: '/bulk-acts/{id}',
    tag: 'bulk acts',
    summary: 'An act on many runs, how far it has come, and what became of each run',
    params: BulkPath,
    query: BulkItemsQuery,
    answer: BulkDetail,
  }),
  startBulkAct: defineRoute({
    ...act,
    path: '/bulk-acts/{id}/start',
    tag: 'bulk acts',
    summary: 'Begin a planned act on many runs',
    params: BulkPath,
    body: Because,
    answer: BulkAct,
  }),
  pauseBulkAct: defineRoute({
    ...act,
    path: '/bulk-acts/{id}/pause',
    tag: 'bulk acts',
    summary: 'Begin no further run of it; those that were begun go on',
    params: BulkPath,
    body: Because,
    answer: BulkAct,
  }),
  resumeBulkAct: defineRoute({
    ...act,
    path: '/bulk-acts/{id}/resume',
    tag: 'bulk acts',
    summary: 'Go on with one that was paused, or has stopped for its failures',
    params: BulkPath,
    body: Because,
    answer: BulkAct,
  }),
  cancelBulkAct: defineRoute({
    ...act,
    path: '/bulk-acts/{id}/cancel',
    tag: 'bulk acts',
    summary: 'End it; its runs that were begun go on, the rest stays as it is',
    params: BulkPath,
    body: Because,
    answer: BulkAct,
  }),
} as const
