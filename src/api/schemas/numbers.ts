// Numbers of inputs and answers.
import { z } from 'zod'

/** A whole number of something, or a moment or a duration in ms. */
export const whole = z.number().int()
/** Zero or more. */
export const amount = z.number().nonnegative()
