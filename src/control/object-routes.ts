import { defineRoute, read } from './route.ts'
import {
  ExternalIdQuery,
  ObjectDetail,
  ObjectPage,
  ObjectPath,
  ObjectsQuery,
  StoryQuery,
} from './schema/object.ts'
import { SearchQuery, SearchResult } from './schema/search.ts'

/** Finding things, and the story of a business object. */
export const objectRoutes = {
  search: defineRoute({
    ...read,
    path: '/search',
    tag: 'objects',
    summary: 'Find by a key, an external id, an event or run id, a problem’s title, a system or flow',
    query: SearchQuery,
    answer: SearchResult,
  }),
  listObjects: defineRoute({
    ...read,
    path: '/objects',
    tag: 'objects',
    summary: 'Business objects: the last seen first, or by how their key begins',
    query: ObjectsQuery,
    answer: ObjectPage,
  }),
  findObject: defineRoute({
    ...read,
    path: '/objects/by-external-id',
    tag: 'objects',
    summary: 'The story of the object that has this id in a system',
    query: ExternalIdQuery.extend(StoryQuery.shape),
    answer: ObjectDetail,
  }),
  getObject: defineRoute({
    ...read,
    path: '/objects/{key}',
    tag: 'objects',
    summary: 'The story of a business object: where it is stuck and why, its ids, and what happened to it',
    params: ObjectPath,
    query: StoryQuery,
    answer: ObjectDetail,
  }),
} as const
