import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { type FalajEvent, follow } from './live'
import { Problem } from './client'

/** What a panel shows: data, and beside it the problem of the last try to fetch it. */
export type Fetched<T> = { data?: T; problem?: Problem; loading: boolean; again: () => void }

/** Fetch for a panel, again when `deps` change, and when something happens that `concerns` it. */
export function useFetched<T>(load: () => Promise<T>, deps: unknown[], concerns?: (event: FalajEvent) => boolean): Fetched<T> {
  const [state, setState] = useState<{ data?: T; problem?: Problem; loading: boolean }>({ loading: true })
  const newest = useRef(0)
  const again = useCallback(() => {
    const number = (newest.current += 1)
    const settle = (change: { data?: T; problem?: Problem }) => {
      if (number === newest.current) setState((before) => ({ data: before.data, ...change, loading: false }))
    }
    load().then((data) => settle({ data, problem: undefined }), (error) => settle({ problem: asProblem(error) }))
  }, deps)
  useEffect(() => {
    setState({ loading: true })
    again()
    return () => void (newest.current += 1)
  }, [again])
  useEffect(() => (concerns ? follow(concerns, again) : undefined), [again])
  return { ...state, again }
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem('ui.failed', String(error))
}
