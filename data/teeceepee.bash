# bash completion for teeceepee: sub-commands, and the long options that each
# sub-command's own --help names.
_teeceepee()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words
	COMPREPLY=()
	# bash takes --link=tap for three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if ((COMP_CWORD == 1)); then
		words='curl serve nc ping run up down ss sim link help version --help --version'
	elif [[ $prev == --link ]]; then
		words='slirp passt passt: tap: packet: xdp:'
	elif [[ $prev == --cc ]]; then
		words='cubic newreno bbr'
	elif [[ $prev == --attach || ${COMP_WORDS[1]} =~ ^(down|ss)$ && $cur != -* ]]; then
		# The daemons that are up, by their sockets.
		words=$(find "${XDG_RUNTIME_DIR:-/run}/teeceepee" "/run/user/$UID/teeceepee" "/tmp/teeceepee-$UID" \
			-maxdepth 1 -name '*.sock' 2>/dev/null | sed 's|.*/||; s|\.sock$||')
	elif [[ $prev == --color ]]; then
		words='auto always never'
	elif [[ $prev == --set ]]; then
		words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --set list 2>/dev/null)
	elif [[ $cur == -* ]]; then
		words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help 2>/dev/null | grep -o -e '--[a-z0-9-]*')
	else
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _teeceepee teeceepee
