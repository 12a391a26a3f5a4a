import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Problem } from '../api/client'
import type { Fetched } from '../api/fetched'
import { t } from './preferences'
import { Id } from './values'

type Head = { title: string; shown?: ComponentChildren; lead?: ComponentChildren; actions?: ComponentChildren; children?: ComponentChildren }

/** A page: one heading, which has the focus when the page is new, and the title of the tab. */
export function Page({ title, shown, lead, actions, children }: Head) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Falaj`
  }, [title])
  useEffect(() => heading.current?.focus({ preventScroll: true }), [])
  return (
    <article class="page">
      <header class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {shown ?? title}
          </h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </article>
  )
}

type PanelProps<T> = {
  title?: string
  fetched: Fetched<T>
  aside?: ComponentChildren
  children: (data: T) => ComponentChildren
}

/** A part of a page that fetches for itself, and fails for itself. */
export function Panel<T>({ title, fetched, aside, children }: PanelProps<T>) {
  const { data, problem, loading, again } = fetched
  return (
    <section class="panel" aria-busy={loading}>
      {title && (
        <div class="panel-head">
          <h2>{title}</h2>
          {aside}
        </div>
      )}
      {problem && <ProblemBox problem={problem} again={again} />}
      {data !== undefined ? children(data) : !problem && <p class="faint loading">{t('loading')}</p>}
    </section>
  )
}

/** A problem: what, where and how to mend it, and its code. */
export function ProblemBox({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <strong dir="auto">{problem.code === 'ui.unreachable' ? t('unreachable') : problem.message}</strong>
      {problem.where && (
        <p>
          {t('problem.where')} <Id>{problem.where}</Id>
        </p>
      )}
      {problem.hint && (
        <p>
          {t('problem.fix')} <bdi>{problem.hint}</bdi>
        </p>
      )}
      <p class="faint">
        <Id>{problem.code}</Id>
      </p>
      {again && (
        <button type="button" onClick={again}>
          {t('again')}
        </button>
      )}
    </div>
  )
}

/** What stands where nothing is: what belongs here, and what makes the first one. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command && <Command>{command}</Command>}
    </div>
  )
}

/** A command to copy. */
export function Command({ children }: { children: string }) {
  return (
    <div class="command">
      <code dir="ltr">{children}</code>
      <button type="button" onClick={() => void navigator.clipboard.writeText(children)}>
        {t('copy')}
      </button>
    </div>
  )
}
