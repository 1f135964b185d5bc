wants_cairn || return 1
. "$here/php/install-php.sh"
php_program predis/day.php
