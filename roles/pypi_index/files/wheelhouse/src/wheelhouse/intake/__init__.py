"""Public packages for the company's own index: asked for by one list, checked, let in as a whole or not at all.

Modules, lowest first; each imports only from those above it:

    typed        values of JSON made typed, what is wrong with them collected
    targets      machines, and which wheels run there       policy   which findings block
    requirement_files, request   the list, the targets and the policy, as IT wrote them
    lock         what was chosen, as a text to read and compare
    published    what is published, and by whom             advisories   known vulnerabilities
    fetch        files, into the quarantine                 checks   one look at a release each
    rollback     the sets of earlier runs                   result   what a run comes to
    source       the steps of a run; pypi/ takes them one way, each channel of conda/ the other
    run          one run, from the list to what is served
    offered      what people are offered of each line, and what moved
    last_report  the report of the last run, read back
    report       what happened, for people and programs     sbom     the same as CycloneDX
    cli          all of that, one at a time
"""
