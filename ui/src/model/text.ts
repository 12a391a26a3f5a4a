/** Messages: a text, or one for each plural form that a language has (CLDR: zero, one, two, few, many, other). */
export type Message = string | { [form: string]: string }
export type Messages = { [key: string]: Message }
export type Values = { [name: string]: string | number }

/** The message of a key with its values; `n` chooses the plural form. A key without a message is shown as it is. */
export function format(messages: Messages, language: string, key: string, values: Values = {}): string {
  const message = messages[key]
  if (message === undefined) return key
  const text = typeof message === 'string' ? message : pluralOf(message, language, Number(values.n))
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => isolated(values[name], language) ?? whole)
}

function pluralOf(forms: { [form: string]: string }, language: string, count: number): string {
  return forms[new Intl.PluralRules(language).select(count)] ?? forms.other ?? ''
}

/** A value that does not turn the direction of what stands around it. */
function isolated(value: string | number | undefined, language: string): string | undefined {
  if (typeof value === 'number') return new Intl.NumberFormat(locale(language)).format(value)
  return value === undefined ? undefined : `\u2068${value}\u2069`
}

/** What `Intl` is asked with: digits are Latin in both languages. */
export function locale(language: string): string {
  return language === 'ar' ? 'ar-AE-u-nu-latn' : 'en-GB'
}
