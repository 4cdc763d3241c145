# Starts the node's container on a core, and stays until the container has ended.
#
# `edgecam start-script` prints this text, and the shell of the recipe's `run` evaluates it: POSIX sh, dash or bash. The text is
# the same for every core, and nothing of a configuration is ever evaluated: values are variables, and the lines of the launch
# plan are read, not run. Comments stay here, since the text is read from the image and not limited as a recipe is.

say() {
  printf 'edgecam: %s\n' "$1" >&2
}

# Of containers that are gone within a second. A core dump would hold what the environment holds. Without --pull never
# Docker would ask the internet for an image of this name that is not here.
short="--rm --pull never --read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 64
  --memory 256m --memory-swap 256m --ulimit nofile=1024:1024 --ulimit core=0:0"

# The container stays within the time that `shutdown` of the recipe grants.
grace_s=30

# Ends with the exit code of a docker command that has failed; returns where Docker itself has gone meanwhile, which is no
# failure of this component: the recipe's `run` waits for it.
end_unless_docker_is_away() {
  if docker ps >/dev/null 2>&1; then
    exit "$1"
  fi
}

# A nucleus that was killed leaves the container behind; so does one whose timeout was over.
remove_leftover() {
  tries=0
  while docker container inspect "$EDGECAM_CONTAINER" >/dev/null 2>&1; do
    if [ "$tries" -ge 30 ]; then
      say "A container named $EDGECAM_CONTAINER is still here and cannot be removed: see 'docker rm --force $EDGECAM_CONTAINER'."
      exit 1
    fi
    [ "$tries" -gt 0 ] || docker stop --time "$grace_s" "$EDGECAM_CONTAINER" >/dev/null 2>&1
    docker rm --force "$EDGECAM_CONTAINER" >/dev/null 2>&1 || sleep 1
    tries=$((tries + 1))
  done
}

# Greengrass never removes an image that came from a bucket, so a core's disk would fill up one version at a time; of images
# that it has pulled, nucleus lite removes the superseded one at once. The one that ran before is to stay, since a version
# that fails gives way to it. So what runs, and what ran before, has a tag of this component's: neither nucleus removes
# an image that has another name, and no component removes what another one has tagged.
keep_two_images() {
  kept="edgecam/kept:$EDGECAM_CONTAINER"
  ours=$(image_ids "$EDGECAM_IMAGE")
  ran=$(image_ids "$kept")
  [ -n "$ours" ] && [ "$ran" != "$ours" ] || return 0
  superseded=$(image_ids "$kept.old")
  [ -z "$ran" ] || docker image tag "$ran" "$kept.old" || return 0
  docker image tag "$ours" "$kept" || return 0
  [ -n "$superseded" ] || return 0
  for id in $(image_ids edgecam/kept); do
    [ "$id" != "$superseded" ] || return 0
  done
  docker image ls --digests --no-trunc --format '{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}' |
    while read -r id repository tag digest; do
      [ "$id" = "$superseded" ] || continue
      case $repository in
        "edgecam/$EDGECAM_VARIANT" | "${EDGECAM_IMAGE%@*}")
          image=$repository:$tag
          [ "$tag" != "<none>" ] || image=$repository@$digest ;;
        # Nobody's any more: nucleus lite has removed the name by which it pulled it.
        "<none>") image=$id ;;
        *) continue ;;
      esac
      # --no-prune spares the build cache of a core that is somebody's workbench too.
      if docker image rm --no-prune "$image" >/dev/null 2>&1; then
        say "Removed the superseded image $image."
      fi
    done
}

# Docker follows links: one of another user's would have any folder of this core mounted, and given away.
expect_no_foreign_link() {
  way=$1
  while [ "$way" != / ]; do
    if [ -L "$way" ]; then
      owner=$(ls -ldn -- "$way" | tr -s ' ' | cut -d ' ' -f 3)
      case $owner in
        0 | "$uid") ;;
        *)
          say "$way is a link of user $owner, which could lead anywhere. Remove it, then deploy again."
          exit 1 ;;
      esac
    fi
    way=$(dirname -- "$way")
  done
}

# Fails where Docker has gone meanwhile.
make_folder() {
  expect_no_foreign_link "$1"
  # What was there before keeps its owner: it may be somebody else's. Not what Docker made for this shell just before it went.
  # A file stays as well: a site may mount one.
  [ ! -e "$1" ] || [ "$1" = "$made" ] || return 0
  # The folder itself without -p: one that another user has just made is not ours to give away.
  if mkdir -p -- "$(dirname -- "$1")" 2>/dev/null && mkdir -- "$1" 2>/dev/null; then
    [ "$uid" -ne 0 ] || chown -h "$user" -- "$1" || exit 1
  else
    # Only root makes folders in /var/lib. Docker, which this user may use, makes what it mounts.
    made=$1
    docker run $short --network none --user 0:0 --cap-add CHOWN "--volume=$1:/made" \
      "$EDGECAM_IMAGE" edgecam own /made "$user" || {
      end_unless_docker_is_away $?
      return 1
    }
    made=
  fi
}

image_ids() {
  docker image ls --quiet --no-trunc "$1" | sort -u
}

# Settings that fit into no deployment are an object in the artifact bucket. What was fetched stays in the work folder, so that
# a core starts without network; this container has the network and the credentials of the core, by name.
fetch_settings() {
  settings=
  case $EDGECAM_SETTINGS in
    s3://*) ;;
    *) return 0 ;;
  esac
  folder=$(pwd -P)/settings
  mkdir -p -- "$folder" || exit 1
  # Whatever the umask is: for root's component the plan is read by another user.
  chmod 755 -- "$folder"
  docker run $short --network host --user "$uid:$(id -g)" "--volume=$folder:/run/edgecam" --env EDGECAM_SETTINGS \
    --env AWS_REGION --env AWS_CONTAINER_CREDENTIALS_FULL_URI --env AWS_CONTAINER_AUTHORIZATION_TOKEN \
    --env AWS_ENDPOINT_URL --env HTTP_PROXY --env HTTPS_PROXY --env ALL_PROXY --env NO_PROXY \
    --env http_proxy --env https_proxy --env all_proxy --env no_proxy \
    "$EDGECAM_IMAGE" edgecam fetch-settings /run/edgecam || return
  settings=--volume=$folder:/run/edgecam:ro
}

# Returns when the container has to be started again although nobody asked this shell to end; else the shell ends as it did.
start_node() {
  uid=$(id -u)
  user=$uid:$(id -g)
  [ "$uid" -ne 0 ] || user=65532:65532
  # Of two shells, one of which a killed nucleus has left behind, the later one owns the container.
  ( echo "$$" >starter ) 2>/dev/null

  remove_leftover
  keep_two_images

  fetch_settings || {
    end_unless_docker_is_away $?
    return 0
  }
  # sh cannot read JSON; the program in the image can, and says what is wrong with it.
  plan=$(docker run $short --network none ${settings:+"$settings"} --env EDGECAM_SETTINGS \
    "$EDGECAM_IMAGE" edgecam launch-plan) || {
    end_unless_docker_is_away $?
    return 0
  }

  program=run
  set -- ${settings:+"$settings"}
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      # Root without this right could not even write to a folder of the component's user.
      arg=--user=0:0) set -- "$@" "$value" --cap-add=DAC_OVERRIDE ;;
      arg=*) set -- "$@" "$value" ;;
      dir=*) make_folder "$value" || return 0 ;;
      program=*) program=$value ;;
    esac
  done <<END
$plan
END

  socket=$AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT
  [ ! -S "$socket" ] || set -- "$@" "--volume=$socket:$socket"

  run_container "$@"
}

# This shell stays beside the container. A daemon that is stopped, as an upgrade does, stops its containers as a person would: the
# node ends with 0, `docker run` too, and nucleus lite starts nothing again that has ended so. Who is asked to end hands it on.
run_container() {
  asked=
  node=
  began_s=$(date +%s)
  trap 'asked=1; [ -z "$node" ] || kill -TERM "$node" 2>/dev/null' TERM INT
  # What the container writes goes to the nucleus' log; Docker's own copy is for 'docker logs' and stays small. A camera
  # takes about fourteen descriptors and a visitor of the page one: 8192 are for hundreds of cameras, and an end to a leak.
  docker run --rm --pull never --name "$EDGECAM_CONTAINER" --user "$user" --read-only \
    --tmpfs /tmp:rw,noexec,nosuid,nodev,size=16m \
    --cap-drop ALL --security-opt no-new-privileges --pids-limit 4096 --stop-timeout "$grace_s" \
    --log-driver local --log-opt max-size=1m --log-opt max-file=2 \
    --ulimit nofile=8192:8192 --ulimit core=0:0 --env "EDGECAM_FOLDER_OWNER=$user" \
    "$@" "$EDGECAM_IMAGE" edgecam "$program" &
  node=$!
  [ -z "$asked" ] || kill -TERM "$node"
  # A signal ends `wait` before the container has ended.
  while :; do
    wait "$node"
    code=$?
    kill -0 "$node" 2>/dev/null || break
  done
  # That of the signal, where the container was quick; a shell that has said the container's own answers 127.
  wait "$node" 2>/dev/null
  last=$?
  [ "$last" -eq 127 ] || code=$last
  trap - TERM INT
  [ -z "$asked" ] || exit "$code"

  case $program/$code in
    run/0) say "The container was stopped, by Docker or by somebody, and is started again." ;;
    # Docker's own code: of a container that could not be started, or one that Docker has left.
    */125)
      [ $(($(date +%s) - began_s)) -ge 10 ] || end_unless_docker_is_away 125
      say "Docker has gone while the container ran, and the container is started again." ;;
    *) exit "$code" ;;
  esac
  [ "$(cat starter 2>/dev/null)" = "$$" ] || exit 75
  # Time for the nucleus to end this shell, where it is the nucleus that has stopped the container with `shutdown`.
  sleep 5
}

start_node
