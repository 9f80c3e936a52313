package gateway

// collectionCommands are about collections as a whole.
func collectionCommands() map[string]command {
	return map[string]command{
		"collMod":              {privilege: administer, needs: collModNeeds, changes: true, run: collMod},
		"renameCollection":     {privilege: define, needs: renameNeeds, changes: true, run: renameCollection},
		"compact":              {privilege: administer, changes: true, run: compact},
		"validate":             {privilege: administer, run: validate},
		"collStats":            {privilege: inspect, run: collStats},
		"dbStats":              {privilege: inspect, run: dbStats},
		"dataSize":             {privilege: inspect, run: dataSize},
		"planCacheClear":       {privilege: read, run: planCacheClear},
		"planCacheListFilters": {privilege: read, run: planCacheListFilters},
	}
}

// serverCommands are about the server and what it does.
func serverCommands() map[string]command {
	return map[string]command{
		"getParameter":        {privilege: monitor, run: getParameter},
		"getLog":              {privilege: monitor, run: getLog},
		"hostInfo":            {privilege: monitor, run: hostInfo},
		"serverStatus":        {privilege: monitor, run: serverStatus},
		"getCmdLineOpts":      {privilege: monitor, run: getCmdLineOpts},
		"connPoolStats":       {privilege: monitor, run: connPoolStats},
		"replSetGetStatus":    {privilege: monitor, run: replSetGetStatus},
		"replSetGetConfig":    {privilege: monitor, run: replSetGetConfig},
		"getDefaultRWConcern": {privilege: userless, run: getDefaultRWConcern},
		"top":                 {privilege: monitor, run: top},
		"profile":             {privilege: inspect, run: profile},
		"listCommands":        {privilege: userless, run: listCommands},
		"currentOp":           {privilege: userless, run: currentOp}, // shows what the user may see
		"killOp":              {privilege: userless, run: killOp},    // the user's own, or by right
	}
}
