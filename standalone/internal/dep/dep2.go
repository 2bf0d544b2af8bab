package dep

import _ "github.com/tierwall/tierwall/selector"
