// What a reader of the reference must find, for every export of src/index.ts:
//
//   (1) a sentence that says what it is
//   (2) whether it is stable: `@public`, or `@beta` while it may change
//   (3) an `@example`
//   (4) of each member what it is: a comment, unless its name ends in a unit, or its type is a word of its own
//   (5) the unit of each number, in the name or in the comment
//   (6) of each function that is given something what it throws: "Throws …", "Rejects with …" or "Never throws."
//   (7) names for all parameters
import {
  type Comment,
  type DeclarationReflection,
  type ProjectReflection,
  type Reflection,
  ReflectionKind,
  type SignatureReflection,
  type SomeType,
} from 'typedoc'

/** How the name of a number says its unit. */
const unit = /(Bytes|Ms|Gb|Count|Ratio|Factor|sequence|attempt|priority|max)$/i
/** How a comment says it. */
const unitWord =
  /\b(ms|bytes|GB|milliseconds|whole number|number of|share|count|from -?\d+|-?\d+ to -?\d+|times|below 1|status|exit code|greatest|least|sequence|further attempts|batches that|which gpu)\b/i
const errors = /\b(Throws|Rejects with|Rejects|Never throws|Never rejects)\b/
const members =
  ReflectionKind.Property | ReflectionKind.Accessor | ReflectionKind.Method | ReflectionKind.Constructor

/** What is missing, a sentence each. */
export function missing(project: ProjectReflection): string[] {
  const exports = (project.children ?? []).flatMap(({ children = [] }) => children)
  return exports.flatMap((each) => [...faultsOfExport(each), ...faultsOfMembers(each)])
}

function faultsOfExport(each: DeclarationReflection): string[] {
  const comment = each.comment ?? each.signatures?.[0]?.comment
  const isPublic = [each, ...(each.signatures ?? [])].some(({ flags }) => flags.isPublic)
  const faults = each.signatures?.flatMap((signature) => faultsOfSignature(signature, each.name)) ?? []
  if (textOf(comment) === '') faults.push(`${each.name} has no comment`)
  if (isPublic === comment?.hasModifier('@beta'))
    faults.push(`${each.name} says neither @public nor @beta, or both`)
  if (!comment?.getTag('@example')) faults.push(`${each.name} has no @example`)
  return faults
}

function faultsOfMembers(each: DeclarationReflection): string[] {
  const own = each.kindOf(ReflectionKind.Variable)
    ? []
    : [...(each.children ?? []), ...propertiesOf(each.type)]
  return own
    .filter((member) => member.kindOf(members) && !member.inheritedFrom)
    .flatMap((member) => faultsOfMember(member, `${each.name}.${member.name}`))
}

/** Of a type that is written as an object. The cases of a union are said by its comment. */
function propertiesOf(type: SomeType | undefined): DeclarationReflection[] {
  if (type?.type === 'reflection') return type.declaration.children ?? []
  return type?.type === 'intersection' ? type.types.flatMap(propertiesOf) : []
}

function faultsOfMember(member: DeclarationReflection, name: string): string[] {
  if (member.signatures) return member.signatures.flatMap((each) => faultsOfSignature(each, name))
  const type = member.type ?? member.getSignature?.type
  const text = textOf(member.comment ?? member.getSignature?.comment)
  const faults: string[] = []
  if (text === '' && !saysItself(member.name, type)) faults.push(`${name} has no comment`)
  if (isNumber(type) && !unit.test(member.name) && !unitWord.test(text)) faults.push(`${name} has no unit`)
  return faults
}

function faultsOfSignature(signature: SignatureReflection, name: string): string[] {
  const { comment, parameters = [] } = signature
  const text = textOf(comment)
  const faults: string[] = []
  const isConstructor = signature.kindOf(ReflectionKind.ConstructorSignature)
  if (text === '' && !isConstructor) faults.push(`${name} has no comment`)
  if (parameters.length > 0 && !errors.test(text)) faults.push(`${name} does not say what it throws`)
  for (const parameter of parameters) {
    if (parameter.name.startsWith('__'))
      faults.push(`${name} has a parameter without a name; give it one with @param`)
    if (
      isNumber(parameter.type) &&
      !unit.test(parameter.name) &&
      !unitWord.test(text + textOf(parameter.comment))
    )
      faults.push(`${name} does not say the unit of ${parameter.name}`)
  }
  if (isNumber(signature.type) && !unit.test(name) && !unitWord.test(text)) faults.push(`${name} has no unit`)
  return faults
}

/** Yes or no, or a type of our own: its page says the rest. */
function saysItself(name: string, type: SomeType | undefined): boolean {
  if (unit.test(name) || isType(type, 'boolean')) return true
  if (type?.type === 'union')
    return type.types.every((each) => saysItself(name, each) || isType(each, 'null'))
  if (type?.type === 'array') return saysItself(name, type.elementType)
  if (type?.type === 'typeOperator') return saysItself(name, type.target)
  return type?.type === 'reference' && (type.reflection as Reflection | undefined) !== undefined
}

function isNumber(type: SomeType | undefined): boolean {
  if (type?.type === 'union') return type.types.some(isNumber)
  return isType(type, 'number')
}

function isType(type: SomeType | undefined, name: string): boolean {
  if (type?.type === 'literal') return String(type.value) === name
  return type?.type === 'intrinsic' && type.name === name
}

function textOf(comment: Comment | undefined): string {
  const text = (comment?.summary ?? []).map((part) => part.text).join('')
  return text.replaceAll(/\s+/g, ' ').trim()
}
