package api

import (
	"embed"
	"io/fs"
	"net/http"
	"slices"
	"strings"
)

// openAPIFiles are the parts of the description of this API.
//
//go:embed openapi/*.yaml
var openAPIFiles embed.FS

// openAPI joins the parts: each is YAML on its own, and indented as it has to be in the whole.
func openAPI() (yaml, error) {
	var parts []string
	for _, pattern := range []string{"info", "paths_*", "components", "schemas_*"} {
		names, err := fs.Glob(openAPIFiles, "openapi/"+pattern+".yaml")
		if err != nil {
			return nil, err
		}
		if pattern == "paths_*" {
			parts = append(parts, "paths:\n")
		}
		for _, name := range slices.Sorted(slices.Values(names)) {
			part, err := openAPIFiles.ReadFile(name)
			if err != nil {
				return nil, err
			}
			parts = append(parts, string(part))
		}
	}
	return yaml(strings.Join(parts, "\n")), nil
}

func (s *server) getOpenAPI(*http.Request) (response, error) {
	text, err := openAPI()
	if err != nil {
		return response{}, err
	}
	return ok(text)
}
