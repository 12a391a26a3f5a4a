import { locale } from './text'

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

/** How long ago, or in how long, in the largest unit that fits. */
export function age(at: number, now: number, language: string): string {
  const seconds = at - now
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? (['second', 1] as const)
  const whole = Math.trunc(seconds / size)
  return new Intl.RelativeTimeFormat(locale(language), { numeric: 'auto', style: 'short' }).format(whole, unit)
}

/** A moment in a zone, to the second, with the year where it is another one than now. */
export function moment(at: number, now: number, language: string, zone: string): string {
  const sameYear = yearOf(at, zone) === yearOf(now, zone)
  return new Intl.DateTimeFormat(locale(language), {
    timeZone: zone,
    day: 'numeric',
    month: 'short',
    year: sameYear ? undefined : 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at * 1000)
}

/** A length of time as people say it: 850 ms, 12.5 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number, language: string): string {
  const part = (value: number, unit: string) =>
    new Intl.NumberFormat(locale(language), { style: 'unit', unit, unitDisplay: 'narrow' }).format(value)
  if (seconds < 1) return part(Math.round(seconds * 1000), 'millisecond')
  if (seconds < 60) return part(Number(seconds.toFixed(1)), 'second')
  if (seconds < 3600) return `${part(Math.floor(seconds / 60), 'minute')} ${part(Math.floor(seconds % 60), 'second')}`
  if (seconds < 172_800) return `${part(Math.floor(seconds / 3600), 'hour')} ${part(Math.floor((seconds % 3600) / 60), 'minute')}`
  return `${part(Math.floor(seconds / 86_400), 'day')} ${part(Math.floor((seconds % 86_400) / 3600), 'hour')}`
}

function yearOf(at: number, zone: string): string {
  return new Intl.DateTimeFormat('en', { timeZone: zone, year: 'numeric' }).format(at * 1000)
}
