module kitcert/peers

go 1.24
