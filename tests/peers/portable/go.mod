module kitcert/portable

go 1.25
