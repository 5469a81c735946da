<#
.SYNOPSIS
    Sets streamflow-live up on Windows, in .venv beside this file.
.DESCRIPTION
    Finds Python, makes .venv, installs the build of torch that the NVIDIA driver supports (the CPU build without one),
    installs the package, and prepares the shipped model. It can be run again at any time.
    Works in Windows PowerShell 5.1 and PowerShell 7.
.PARAMETER Run
    Plays at the end.
.PARAMETER Test
    Runs the checks and the test suite, as "make test" does on other systems.
.PARAMETER Gpu
    The build of torch: auto (default) chooses by the driver, none is the CPU build, and cu126, cu128 or cu130 name one.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File install.ps1 -Run
#>
[CmdletBinding()]
param(
    [switch]$Run,
    [switch]$Test,
    [string]$Gpu = 'auto'
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false  # Exit statuses are checked below.

$Extras = 'video,spout'
$TestExtras = 'video,spout,test,check'
$Downloads = 'https://www.python.org/downloads/windows/'
$Wheels = 'https://download.pytorch.org/whl'

# The best one first. Before 3.13 the clock has steps of 15.6 ms on Windows. SpoutGL has no wheel for 3.14.
$PythonOrder = '3.13', '3.12', '3.11', '3.14'

# Builds of torch, the best one first, with the oldest CUDA version of the driver and the capabilities of the cards that
# each one supports. A driver of CUDA 12 runs every minor version of CUDA 12.
$CudaBuilds = @(
    @{ Name = 'cu130'; Driver = '13.0'; Oldest = '7.5'; Newest = '99.0' },
    @{ Name = 'cu128'; Driver = '12.8'; Oldest = '7.5'; Newest = '99.0' },
    @{ Name = 'cu126'; Driver = '12.0'; Oldest = '5.0'; Newest = '9.0' }
)

# The commands of "make test", in its order.
$Checks = @(
    'ruff check .',
    'ruff format --check .',
    'mypy',
    'lint-imports',
    'pip install --quiet --disable-pip-version-check --no-deps streamdiffusion',
    'pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/test_readme.py',
    'pytest tests/test_readme.py'
)
$PipInstall = @('-m', 'pip', 'install', '--quiet', '--disable-pip-version-check')

function Stop-Install([string]$Sentence) {
    [Console]::Error.WriteLine($Sentence)
    exit 1
}

function Write-Step([string]$Line) {
    Write-Host "streamflow-live: $Line"
}

# Returns the output of a program, or an empty text if it fails.
function Read-Program([string]$Program, [string[]]$Arguments) {
    $ErrorActionPreference = 'Continue'  # PowerShell 5.1 makes an exception of redirected error output under Stop.
    try {
        $lines = & $Program @Arguments 2>$null
    } catch {
        return ''
    }
    if ($LASTEXITCODE -ne 0) { return '' }
    return ($lines -join "`n").Trim()
}

# Runs a program in the console, and ends the script with a sentence if it fails.
function Invoke-Program([string]$Failure, [string]$Program, [string[]]$Arguments) {
    if (-not (Get-Command $Program -ErrorAction SilentlyContinue)) { Stop-Install "${Failure}: $Program is missing." }
    $ErrorActionPreference = 'Continue'
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { Stop-Install "$Failure (exit status $LASTEXITCODE)." }
}

function Get-Requirement([string]$Pattern) {
    $found = [regex]::Match([IO.File]::ReadAllText((Join-Path $PSScriptRoot 'pyproject.toml')), $Pattern)
    if (-not $found.Success) { Stop-Install "pyproject.toml has no line like $Pattern. Get the sources again." }
    return $found.Groups[1].Value
}

# Returns the version, word size and path of a Python, or nothing if the program is none.
function Get-PythonDetails([string]$Program) {
    # Neither quotes nor % and |, which a Python behind a batch file would not receive.
    $ask = 'import sys; print(sys.version_info[0], sys.version_info[1], sys.maxsize.bit_length() + 1, sys.executable)'
    $answer = (Read-Program $Program @('-c', $ask)) -split ' ', 4
    if ($answer.Count -ne 4) { return $null }
    return @{ Version = "$($answer[0]).$($answer[1])"; Bits = $answer[2]; Path = $answer[3] }
}

# Lists the installed Pythons: those of the launcher first. Asking it for a missing version might download that version.
function Get-Pythons {
    $paths = @()
    if (Get-Command 'py' -ErrorAction SilentlyContinue) {
        foreach ($line in (Read-Program 'py' @('-0p')) -split "`n") {
            if ($line -match '([A-Za-z]:\\.*\.exe)') { $paths += $Matches[1] }
        }
    }
    foreach ($name in 'python', 'python3') {
        $command = Get-Command $name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
        if ($command) { $paths += $command.Source }
    }
    foreach ($path in $paths | Select-Object -Unique) {
        $details = Get-PythonDetails $path
        if ($details) { $details }
    }
}

function Find-Python([string]$Minimum) {
    $found = @(Get-Pythons)
    $fit = @($found | Where-Object { $_.Bits -eq '64' -and [version]$_.Version -ge [version]$Minimum })
    if ($fit.Count -eq 0) {
        $here = ($found | ForEach-Object { "$($_.Version) ($($_.Bits)-bit)" }) -join ', '
        if (-not $here) { $here = 'none' }
        Stop-Install "streamflow-live wants 64-bit Python $Minimum or newer; here is $here. Get it at $Downloads"
    }
    foreach ($version in $PythonOrder) {
        foreach ($python in $fit) {
            if ($python.Version -eq $version) { return $python }
        }
    }
    return $fit[0]
}

# Returns the newest CUDA version that the NVIDIA driver runs, and the capability of the best card; nothing without one.
function Get-NvidiaDriver {
    $program = 'nvidia-smi'
    if (-not (Get-Command $program -ErrorAction SilentlyContinue)) {
        $program = Join-Path $env:ProgramFiles 'NVIDIA Corporation\NVSMI\nvidia-smi.exe'
        if (-not (Test-Path $program)) { return $null }
    }
    # Drivers from 610 on write "CUDA UMD Version".
    $cuda = [regex]::Match((Read-Program $program @()), 'CUDA(?: UMD)? Version\s*:\s*(\d+\.\d+)')
    if (-not $cuda.Success) { return $null }
    $cards = (Read-Program $program @('--query-gpu=compute_cap', '--format=csv,noheader')) -split "`n"
    $capability = $cards | Where-Object { $_ -match '^\s*\d+\.\d+\s*$' } | ForEach-Object { [version]$_.Trim() } |
        Sort-Object -Descending | Select-Object -First 1
    if (-not $capability) { return $null }
    return @{ Cuda = [version]$cuda.Groups[1].Value; Capability = $capability }
}

# Returns the build of torch: cpu, or one of $CudaBuilds.
function Select-TorchBuild([string]$Wanted) {
    if ($Wanted -eq 'none') { return 'cpu' }
    if ($Wanted -match '^cu\d{3}$') { return $Wanted }
    if ($Wanted -ne 'auto') {
        Stop-Install "-Gpu $Wanted is unknown. It takes auto, none, or a build of torch such as cu128."
    }
    $driver = Get-NvidiaDriver
    if (-not $driver) {
        Write-Step 'no NVIDIA driver answers; the CPU build of torch is taken'
        return 'cpu'
    }
    foreach ($build in $CudaBuilds) {
        $fits = $driver.Capability -ge [version]$build.Oldest -and $driver.Capability -le [version]$build.Newest
        if ($fits -and $driver.Cuda -ge [version]$build.Driver) { return $build.Name }
    }
    $about = "the driver runs CUDA $($driver.Cuda), the card has compute capability $($driver.Capability)"
    Write-Step "no build of torch fits: $about. The CPU build is taken; a newer driver may help"
    return 'cpu'
}

# Installs a build of torch, in place of another one.
function Install-Torch([string]$Python, [string]$Build, [string]$Requirement) {
    $version = Read-Program $Python @('-c', "import importlib.metadata as m; print(m.version('torch'))")
    $installed = if (-not $version) { '' } elseif ($version -match '\+(\w+)$') { $Matches[1] } else { 'cpu' }
    if ($installed -eq $Build) {
        Write-Step "torch $version is installed"
        return
    }
    Write-Step "installing torch, build $Build, from $Wheels/$Build"
    if ($installed) {
        $arguments = @('-m', 'pip', 'uninstall', '--quiet', '--yes', 'torch')
        Invoke-Program 'The other build of torch cannot be removed' $Python $arguments
    }
    $arguments = $PipInstall + @($Requirement, '--index-url', "$Wheels/$Build")
    Invoke-Program 'torch cannot be installed. Try another build, such as -Gpu cu126 or -Gpu none' $Python $arguments
}

function Invoke-Tests([string]$Scripts) {
    $env:OMP_NUM_THREADS = '1'  # Threads that wait for each other crawl where other processes have the cores.
    foreach ($line in $Checks) {
        $words = $line -split ' '
        $arguments = @($words | Select-Object -Skip 1)
        Invoke-Program "The step '$line' failed" (Join-Path $Scripts "$($words[0]).exe") $arguments
    }
}

Set-Location $PSScriptRoot
$minimum = Get-Requirement 'requires-python = ">=([\d.]+)"'
$torch = Get-Requirement '"(torch>=[\d.]+,<[\d.]+)"'
$scripts = Join-Path $PSScriptRoot '.venv\Scripts'
$python = Join-Path $scripts 'python.exe'
$command = Join-Path $scripts 'streamflow-live.exe'

$build = Select-TorchBuild $Gpu
$made = if (Test-Path $python) { Get-PythonDetails $python } else { $null }
if (-not $made) {
    $base = Find-Python $minimum
    Write-Step "making .venv with Python $($base.Version) of $($base.Path)"
    Invoke-Program 'The folder .venv cannot be made. Remove it and run this again' $base.Path @('-m', 'venv', '.venv')
} elseif ([version]$made.Version -lt [version]$minimum) {
    $version = $made.Version
    Stop-Install "The folder .venv has Python $version; $minimum or newer is wanted. Remove it and run this again."
} else {
    Write-Step "the folder .venv has Python $($made.Version)"
}

Install-Torch $python $build $torch
$chosen = if ($Test) { $TestExtras } else { $Extras }
Write-Step "installing the package with the extras $chosen"
Invoke-Program 'The package cannot be installed; the lines above say why' $python `
    ($PipInstall + @('--editable', ".[$chosen]"))
Write-Step 'preparing the shipped model'
Invoke-Program 'The shipped model cannot be prepared; streamflow-live doctor says what is missing' $command @('build')

if ($Test) {
    Write-Step 'running the checks and the tests'
    Invoke-Tests $scripts
}
Write-Step 'ready. This plays: .venv\Scripts\streamflow-live run --open'
if ($Run) { Invoke-Program 'The show ended with an error' $command @('run', '--open') }
