import { expect, test } from 'vitest'
import { Turns } from '#src/containment/guard/turns.js'

const never = Number.POSITIVE_INFINITY

test('so many have their turn at once, and the others follow in the order in which they came', async () => {
  const turns = new Turns(2, never)
  const order: string[] = []
  const [endFirst] = await Promise.all([turns.take(), turns.take()])
  const third = turns.take().then((end) => {
    order.push('third')
    end()
  })
  const fourth = turns.take().then(() => order.push('fourth'))
  expect(order).toEqual([])
  endFirst()
  await Promise.all([third, fourth])
  expect(order).toEqual(['third', 'fourth'])
})

test('a turn that ends twice gives its place once', async () => {
  const turns = new Turns(1, never)
  const end = await turns.take()
  end()
  end()
  await turns.take()
  const third = turns.take()
  expect(await Promise.race([third, Promise.resolve('waits')])).toBe('waits')
})

test('what hangs holds nobody up for longer than its bound', async () => {
  const turns = new Turns(1, 10)
  await turns.take()
  await turns.take()
})
