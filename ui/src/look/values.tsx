import { age, duration, moment } from '../model/times'
import { locale } from '../model/text'
import { language, now, zone } from './preferences'

/** A moment, with its age beside it. */
export function Time({ at }: { at: number | null | undefined }) {
  if (at == null) return <span class="faint">–</span>
  return (
    <time dateTime={new Date(at * 1000).toISOString()} class="time">
      <bdi>{moment(at, now.value, language.value, zone.value)}</bdi> <span class="faint">· {age(at, now.value, language.value)}</span>
    </time>
  )
}

/** How long something took, or has taken so far. */
export function Took({ from, to }: { from: number | null | undefined; to: number | null | undefined }) {
  if (from == null) return <span class="faint">–</span>
  return <bdi>{duration(Math.max(0, (to ?? now.value) - from), language.value)}</bdi>
}

/** A name, path, digest or code, which reads from left to right in every language. */
export function Id({ children, short }: { children: string; short?: number }) {
  const text = short && children.length > short ? children.slice(0, short) : children
  return (
    <bdi dir="ltr" class="id" title={text === children ? undefined : children}>
      {text}
    </bdi>
  )
}

/** A person or program, without the kind that everybody is. */
export function Who({ id }: { id: string }) {
  return <Id>{id.replace(/^user:/, '')}</Id>
}

/** A number of at most so many significant digits. */
export function Num({ value, digits = 4 }: { value: number | null | undefined; digits?: number }) {
  if (value == null) return <span class="faint">–</span>
  return <bdi dir="ltr" class="num">{numeral(value, digits)}</bdi>
}

/** A number as text. */
export function numeral(value: number, digits = 4): string {
  return new Intl.NumberFormat(locale(language.value), { maximumSignificantDigits: digits }).format(value)
}

/** A release, by its name. */
export function ReleaseLink({ model, number }: { model: string; number: number }) {
  return (
    <a href={`/models/${model}/releases/${number}`}>
      <Id>{`${model}@${number}`}</Id>
    </a>
  )
}

/** Facts in pairs; those without a value are left out. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: preact.ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false).map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
