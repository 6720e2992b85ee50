import { act, defineRoute, read } from './route.ts'
import { Because, NamePath } from './schema/act.ts'
import { AlertChannelList, AlertDeliveriesQuery, AlertDelivery, AlertDeliveryPage } from './schema/alert.ts'

/** The operations on alerts. */
export const alertRoutes = {
  listAlertChannels: defineRoute({
    ...read,
    path: '/alerts/channels',
    tag: 'alerts',
    summary: 'The channels over which people are told of problems, each with its newest message',
    answer: AlertChannelList,
  }),
  listAlertDeliveries: defineRoute({
    ...read,
    path: '/alerts/deliveries',
    tag: 'alerts',
    summary: 'Messages to people and what became of them, newest first',
    query: AlertDeliveriesQuery,
    answer: AlertDeliveryPage,
  }),
  testAlertChannel: defineRoute({
    ...act,
    path: '/alerts/channels/{name}/test',
    tag: 'alerts',
    summary: 'Send a test message over a channel; what became of it is said by its deliveries',
    params: NamePath,
    body: Because,
    answer: AlertDelivery,
  }),
}
