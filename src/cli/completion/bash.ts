import type { CommandSpec } from '../command.ts';
import { type FlagId, flagName, flags, globalFlags } from '../flags.ts';
import { flagWords, groupsOf, rootWords, valueFlags } from './words.ts';

/** The completion script of bash. It needs nothing of the bash-completion package and runs on bash 3.2. */
export function bashCompletion(commands: readonly CommandSpec[]): string {
  return `# bash completion for boltseal
_boltseal() {
  local cur prev flag="" command="" word i
  COMPREPLY=()
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  # bash splits --flag=value into three words.
  if [[ $cur == "=" ]]; then
    flag="$prev"; cur=""
  elif [[ $prev == "=" && $COMP_CWORD -ge 2 ]]; then
    flag="\${COMP_WORDS[COMP_CWORD-2]}"
  elif [[ $prev == -* ]]; then
    flag="$prev"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      ${globalValueFlags().join('|')})
        i=$((i + 1))
        [[ "\${COMP_WORDS[i]}" == "=" ]] && i=$((i + 1)) ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command="$word"
          case "$command" in ${groupsOf(commands).join('|')}) continue ;; esac
        else
          command="$command $word"
        fi
        break ;;
    esac
  done
  case "$command:$flag" in
${commands.map(valueCases).join('\n')}
  esac
  case "$command" in
    "") COMPREPLY=($(compgen -W "${rootWords(commands).join(' ')}" -- "$cur")) ;;
${groupsOf(commands)
  .map((group) => groupCase(group, commands))
  .join('\n')}
${commands.map((command) => commandCase(command, commands)).join('\n')}
  esac
}
complete -F _boltseal boltseal
`;
}

function globalValueFlags(): readonly string[] {
  return globalFlags.filter((id) => flags[id].type !== 'boolean').flatMap(spellings);
}

function spellings(id: FlagId): readonly string[] {
  const { short } = flags[id];
  return [`--${flagName(id)}`, ...(short === undefined ? [] : [`-${short}`])];
}

function valueCases(command: CommandSpec): string {
  return valueFlags(command)
    .map((id) => {
      const pattern = spellings(id)
        .map((word) => `"${command.name}:${word}"`)
        .join('|');
      return `    ${pattern}) ${valueAction(id)} return ;;`;
    })
    .join('\n');
}

function valueAction(id: FlagId): string {
  const { values, complete } = flags[id];
  if (values !== undefined) return `COMPREPLY=($(compgen -W "${values.join(' ')}" -- "$cur"));`;
  if (complete === 'file') return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"));';
  return '';
}

function groupCase(group: string, commands: readonly CommandSpec[]): string {
  const words = commands.flatMap(({ name }) =>
    name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : [],
  );
  return `    "${group}") COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$cur")) ;;`;
}

function commandCase(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const { args } = command;
  const words = args?.complete === 'command' ? rootWords(commands) : (args?.values ?? []);
  const others = words.length === 0 ? '' : ` else COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$cur"));`;
  return `    "${command.name}") if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${flagWords(command).join(' ')}" -- "$cur"));${others} fi ;;`;
}
