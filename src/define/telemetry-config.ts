import { BusbarError } from '../errors.ts'
import { keepSecret } from './secrets.ts'

/** Where traces go. */
export interface TelemetryConfig {
  /**
   * A receiver of OTLP over HTTP, such as an OpenTelemetry Collector. Needs the packages `@opentelemetry/sdk-trace-base`,
   * `@opentelemetry/resources` and `@opentelemetry/exporter-trace-otlp-http`. Default: what the environment variable
   * `OTEL_EXPORTER_OTLP_ENDPOINT` says, and without it nowhere.
   */
  readonly otlp?: OtlpConfig
}

/** A receiver of traces. */
export interface OtlpConfig {
  /** Such as `http://collector:4318`; `/v1/traces` is appended unless it is there. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The same, checked. */
export interface TelemetrySettings {
  readonly otlp: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | undefined
}

const path = '/v1/traces'

/** Throws `config.invalid` when the URL is none. */
export function telemetrySettings({ otlp }: TelemetryConfig = {}): TelemetrySettings {
  if (!otlp) return { otlp: undefined }
  const { url, headers = {} } = otlp
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new BusbarError(
      'config.invalid',
      `telemetry.otlp.url is ${JSON.stringify(url)}: write where OTLP over HTTP is taken, such as http://collector:4318`,
    )
  for (const value of Object.values(headers)) keepSecret(value)
  const whole = url.replace(/\/+$/, '')
  return { otlp: { url: whole.endsWith(path) ? whole : whole + path, headers } }
}
