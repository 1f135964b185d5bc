# php_program SCRIPT: a program of ours, with Debian's PHP and libraries, which have to be on no machine.
php_program() {
    local root=$installed/php/root modules
    debian_packages php php8.2-cli php8.2-common php8.2-igbinary php8.2-redis php-predis php-symfony-redis-messenger \
        php-symfony-messenger php-psr-log php-symfony-deprecation-contracts || return 1
    modules=$(dirname "$root"/usr/lib/php/*/redis.so)
    command=(env "PHP_SHARE=$root/usr/share/php" "$root/usr/bin/php8.2" -n -d "extension_dir=$modules" -d extension=igbinary
        -d extension=redis -d display_errors=stderr -d "include_path=$here/php:$root/usr/share/php" -d zend.assertions=1)
    try "${command[@]}" -r 'new Redis();' || return 1
    command+=("$here/$1")
}
