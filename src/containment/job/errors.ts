/**
 * Node's name for an error number of Windows, as far as a launch can meet it ("System Error Codes", Microsoft); else the
 * number itself.
 */
export function systemErrorCode(number: number): string {
  return codes[number] ?? `error ${number}`
}

const codes: Readonly<Record<number, string>> = {
  2: 'ENOENT',
  3: 'ENOENT',
  5: 'EACCES',
  8: 'ENOMEM',
  193: 'ENOEXEC',
  206: 'ENAMETOOLONG',
  216: 'ENOEXEC',
  // The program needs an elevation that we have not got.
  740: 'EACCES',
  1816: 'EAGAIN',
}
