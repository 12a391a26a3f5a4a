import { answer, api } from '../api/client'
import { LinkForm } from '../look/link-form'
import { t } from '../look/preferences'

/** A new password, by the one-time link that an administrator handed over. */
export default function Password() {
  return (
    <LinkForm
      title={t('password.title')} lead={t('password.lead')} button={t('password.button')}
      send={(link, field) => answer(api.POST('/api/v1/auth/password', { body: { link, password: field('password') } }))}
      next="/login"
    />
  )
}
