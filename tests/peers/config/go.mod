module kitcert/peers/config

go 1.24

require gopkg.in/yaml.v3 v3.0.1

// Debian's package golang-gopkg-yaml.v3-dev.
replace gopkg.in/yaml.v3 => /usr/share/gocode/src/gopkg.in/yaml.v3
