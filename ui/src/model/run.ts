import type { Run, Schemas } from '../api/client'

type Step = Schemas['StepRun']

/** The first step, check or gate that failed. */
export function firstFailure(run: Run): Step | undefined {
  return run.steps?.find((step) => step.state === 'failed')
}

/** What a failed step says of itself. */
export function headline(step: Step | undefined): { message: string; where: string; hint: string } {
  const text = (name: string) => (typeof step?.detail[name] === 'string' ? (step.detail[name] as string) : '')
  return { message: text('message') || text('reason') || text('summary'), where: text('where'), hint: text('hint') }
}

/** What a step was given and reported, or what a check or gate says. */
export function outcome(step: Step, numeral: (value: number) => string): string {
  const said = headline(step).message
  if (said) return said
  const values = { ...(step.detail.params as object | undefined), ...(step.detail.metrics as object | undefined) }
  return Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? numeral(value) : String(value)}`)
    .join(', ')
}
