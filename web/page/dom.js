// $ is an element of the page by its id.
export const $ = (id) => document.getElementById(id)

// make is a new element. Strings become text, never markup.
export const make = (name, attributes = {}, ...children) => {
  const e = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value)
    else if (value === true) e.setAttribute(key, '')
    else if (value !== false && value != null) e.setAttribute(key, value)
  }
  e.append(...children.filter((c) => c != null))
  return e
}

// say changes an element's text only where it differs: a live region that is
// written again is read aloud again.
export const say = (e, words) => {
  if (e.textContent !== words) e.textContent = words
}

export const show = (e, visible) => {
  if (e.hidden === visible) e.hidden = !visible
}
