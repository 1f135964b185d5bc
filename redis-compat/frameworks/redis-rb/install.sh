# Debian's Ruby and redis-rb, which have to be on no machine.
wants_cairn || return 1
debian_packages redis-rb ruby3.1 libruby3.1 ruby-redis || return 1
local usr=$installed/redis-rb/root/usr libraries
libraries=$(echo "$usr"/lib/*-linux-gnu*)
command=(env "LD_LIBRARY_PATH=$libraries" "RUBYLIB=$(echo "$usr"/share/rubygems-integration/all/gems/redis-*/lib):$usr/lib/ruby/3.1.0:$libraries/ruby/3.1.0"
    "$usr/bin/ruby3.1" --disable-gems)
try "${command[@]}" -rredis -rjson -e 'Redis.new' || return 1
command+=("$here/redis-rb/day.rb")
