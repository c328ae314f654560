"""The air gap: numbered, signed bundles of what one index has published, for another one without a route to it.

    outside                                    inside
    wheelhouse export DIR --since LAST  ──>    wheelhouse import DIR --dry-run, --apply
                                        <──    a receipt, for the next export: --since RECEIPT

bundle       what is in one: the manifest, and where bytes are
signature    `ssh-keygen -Y`, which signs manifests and verifies them
selection    what is to go: public packages, internal projects by their names, and what is known of them
outgoing     writes bundles; the ledger of those that were written
incoming     reads one that others wrote: nothing of it counts before its signature and its hashes do
remembered   files beside the shelf: the ledger, records, receipts
policy       what the inside itself says to each file, as if it came from anywhere else
importing    a bundle as a whole: what would come, or one transaction
cli          the two commands
"""
