/** busbar: every business event stored once, delivered to each system in order, retried, never doubled, and visible. */
export { defineEvent } from './define/event.ts'
export type { AnyContract, BusEvent, EventContract, EventOf } from './define/event.ts'
export type { EchoDeclaration, EchoFields, EchoOptions, Written } from './define/echo.ts'
export type { Abortable, UnderWay } from './define/abortable.ts'
export { defineSystem } from './define/system.ts'
export type {
  AttemptContext,
  BreakerOptions,
  ConnectOptions,
  Connector,
  Exchange,
  IdempotencyOptions,
  System,
  SystemLimits,
  SystemOptions,
  Transport,
  TransportAnswer,
  TransportRequest,
} from './define/system.ts'
export { defineFlow } from './define/flow.ts'
export type { Flow, FlowOptions, FlowStart, FlowWithoutEvents, OnFailure } from './define/flow.ts'
export type { Ordering, OrderingName, SequenceOrdering, SequenceRules } from './define/ordering.ts'
export type { FirstStep, FlowBuilder, ResultsOf } from './define/flow-builder.ts'
export { expectEvent } from './define/expectation.ts'
export type { Expectation, ExpectationOptions, Match } from './define/expectation.ts'
export type { BusinessHours, Weekday } from './define/business-hours.ts'
export type { RetryOptions } from './define/retry-policy.ts'
export type {
  Approval,
  ApproveOptions,
  Dependencies,
  OnTimeout,
  StepFacts,
  StepInput,
  StepOptions,
  WaitForOptions,
  WaitOptions,
} from './define/step.ts'
export type { IdReference, Ids, IdsOf, LinkId, LinkPair, Links, SystemName } from './define/link.ts'
export { toEvent, webhookSource } from './define/source.ts'
export type {
  MappedEvent,
  SignatureScheme,
  Verification,
  WebhookRequest,
  WebhookSource,
} from './define/source.ts'
export type {
  ConsumerSource,
  Intake,
  RunningSource,
  SourceMessage,
  SourcePort,
} from './define/consumer-source.ts'
export { emailChannel, slackChannel, webhookChannel } from './define/alerts.ts'
export type {
  AlertChannel,
  AlertKind,
  AlertsConfig,
  EmailChannel,
  SlackChannel,
  SmtpSettings,
  WebhookChannel,
} from './define/alerts.ts'
export { defineConfig } from './define/config.ts'
export type { Config, ConfigOptions } from './define/config.ts'
export type { OtlpConfig, TelemetryConfig } from './define/telemetry-config.ts'
export type { LogConfig, LogFormat } from './define/log-config.ts'
export type { AccessConfig, OidcConfig, UserRole } from './define/access-config.ts'
export type { HttpConfig } from './define/http-config.ts'
export type { OutboxConfig } from './define/outbox-config.ts'
export { log } from './define/transport.ts'
export type { TransportConfig } from './define/transport.ts'
export { embedded, postgres } from './define/journal-config.ts'
export type { JournalConfig } from './define/journal-config.ts'
export type { Duration } from './define/duration.ts'
export { BusbarError, CallError, errorCodes, FinalError, RetryableError } from './errors.ts'
export type { CallFailure, ErrorClass, ErrorCode, ErrorDetails } from './errors.ts'
export { apiKey, basic, bearer, clientCredentials, sessionLogin } from './systems/http-auth.ts'
export type { HttpAuth } from './systems/http-auth.ts'
export { httpSystem } from './systems/http.ts'
export type { HttpSystemOptions } from './systems/http.ts'
export type { CallOptions, HttpCall, Query } from './systems/http-call.ts'
export type { Classification, Classify, HttpAnswer } from './systems/http-classify.ts'
export { githubSignature, hmacSignature, standardWebhooks, stripeSignature } from './ingress/signatures.ts'
export { publishInTransaction } from './ingress/publish-in-transaction.ts'
export type {
  PublishedInTransaction,
  PublishInTransactionOptions,
  TransactionOptions,
} from './ingress/publish-in-transaction.ts'
export type {
  DrizzleTransaction,
  KyselyTransaction,
  PgTransaction,
  PrismaTransaction,
  Transaction,
} from './ingress/transaction.ts'
export { createHub } from './hub.ts'
export type { Hub, HubOptions, Published, PublishOptions, Role, RoleName, StopOptions } from './hub.ts'
export type { Log, LogLevel } from './telemetry/log.ts'
export { traceIds } from './telemetry/trace-ids.ts'
