/** Items of a page at most: an item may be large, and a running daemon writes the answer between two
 * decisions. Chosen. */
export const pageSize = 100
