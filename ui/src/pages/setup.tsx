import { LinkForm } from '../look/link-form'
import { t } from '../look/preferences'
import { recognise } from '../session'
import { answer, api } from '../api/client'

/** The first administrator, by the one-time link that the platform printed. */
export default function Setup() {
  return (
    <LinkForm
      title={t('setup.title')} lead={t('setup.lead')} button={t('setup.button')} named
      send={async (link, field) => {
        await answer(api.POST('/api/v1/auth/setup', { body: { link, name: field('name'), email: field('email'), password: field('password'), cookie: true } }))
        await recognise()
      }}
      next="/"
    />
  )
}
