import { $, say, show } from './dom.js'
import { api, renewBy } from './api.js'
import { text } from './text.js'

const framed = window.parent !== window
const signInURL = document.querySelector('meta[name="tandem-sign-in"]').content // of the CRM's backend; '' = none

// session is how a rep signs in. begun is called when they have.
export const session = (begun) => {
  const enter = async (token) => {
    try {
      await api.enter(token)
      await begun()
    } catch (problem) {
      say($('sign-in-bad'), problem.message)
    }
  }

  // A page within another cannot be left for the backend's: that opens beside it, and
  // the link's page gives the token back.
  $('sign-in-go').addEventListener('click', () => {
    if (!framed) return location.assign(signInURL)
    const beside = window.open(signInURL, '', 'popup,width=480,height=640')
    window.addEventListener('message', ({ source, origin, data }) => {
      if (source !== beside || origin !== location.origin) return
      beside.close()
      enter(data.token)
    })
  })
  // Links open in tabs of their own, so within another page they are pasted.
  $('link-form').addEventListener('submit', (e) => {
    e.preventDefault()
    const pasted = $('sign-in-link').value.trim()
    enter(new URLSearchParams(pasted.split('?')[1]).get('token') ?? pasted)
  })

  return {
    enter,
    // none shows how to sign in.
    none: () => {
      $('sign-in-link').value = ''
      say($('sign-in-bad'), '')
      say($('sign-in-how'), signInURL ? text.signInThere : framed ? text.signInFrame : text.signInPage)
      show($('sign-in-go'), Boolean(signInURL))
      show($('link-form'), framed)
      show($('sign-in'), true)
    },
  }
}

// renewFrom has sessions that are over begin anew with a token of whoever is around
// the page, who may have none.
export const renewFrom = (token) => {
  let renewal // that is under way
  const begin = async () => {
    const given = await token()
    if (given) await api.enter(given)
    return Boolean(given)
  }
  renewBy(() => renewal ??= begin().catch(() => false).finally(() => { renewal = null }))
}
