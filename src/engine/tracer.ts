import type { AttemptReport } from './attempt.ts'
import type { CallRun, Run } from './run.ts'

/** One attempt as a trace knows it. */
export interface AttemptTrace {
  /** W3C Trace Context for the outgoing request. */
  readonly traceparent: string
  /** Runs the user's code, so that what it traces itself is part of the attempt. */
  inside<T>(work: () => T): T
  end(report: AttemptReport): void
}

/** Told of attempts and runs, for traces. Absent where nothing is traced: then it costs a look at a field. */
export interface EngineTracer {
  begin(stepRun: CallRun, idempotencyKey: string): AttemptTrace
  /** The run has left this memory: it has ended, or its row says all. */
  left(run: Run): void
}
