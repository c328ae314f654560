#!/bin/sh
# Take back what install.sh did, so that your files are as they were before.
exec sh "$(dirname -- "$0")/install.sh" --uninstall
